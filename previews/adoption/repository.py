"""An existing repository: its app, its image, its migrations, its compose file."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from previews.adoption.dockerfile import (
    Build,
    Dockerfile,
    Started,
    find_build,
    parse,
    read_services,
    requested_path,
    started,
    uvicorn_name,
)
from previews.adoption.migrations import Alembic, Tables, find_alembic, read_tables
from previews.adoption.process import serving_stage
from previews.adoption.routes import AppObject, Routes, app_objects, read_routes
from previews.adoption.settings import Variable, variables
from previews.adoption.source import Source, read_source, read_text
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MARKS = ("pyproject.toml", "requirements.txt", "setup.py")


@dataclass(frozen=True)
class Repository:
    """A repository as adoption reads it; paths are relative to ``root``."""

    root: Path
    folder: Path
    source: Source
    app: AppObject
    routes: Routes
    variables: dict[str, Variable]
    build: Build
    dockerfile: Dockerfile
    started: Started
    alembic: Alembic | None
    services: dict[str, dict[str, Any]]
    examples: dict[str, str]
    dependencies: frozenset[str]
    tables: Tables

    @property
    def target(self) -> str:
        """The app as uvicorn names it, ``app.main:app``."""
        return uvicorn_name(self.root, self.folder, self.app)


def git_root(folder: Path) -> Path:
    """Return the git repository that a folder is in.

    Raises:
        PreviewsError: It is in none.
    """
    resolved = folder.resolve()
    if not resolved.is_dir():
        raise PreviewsError(
            "adopt-folder",
            str(folder),
            why="there is no such folder",
            remedy="name the folder of the app, as in: previews adopt ../orders",
        )
    for one in (resolved, *resolved.parents):
        if (one / ".git").exists():
            return one
    raise PreviewsError(
        "adopt-no-repository",
        str(folder),
        why="it is in no git repository; a preview is of a commit",
        remedy="run `git init` there and commit the app, or name another folder",
    )


def read_repository(folder: Path, choose: Callable[[str, Sequence[str]], str]) -> Repository:
    """Read the repository of an app.

    Args:
        folder: Folder of the app, or one above it.
        choose: Answers a question by one of some words.

    Raises:
        PreviewsError: It has no app, several of which none is chosen, or no Dockerfile.
    """
    root = git_root(folder)
    within = folder.resolve()
    source = read_source(root, root)
    app, place = _app(source, within, choose)
    source.scope = place
    services = read_services(root, place)
    build = find_build(root, place, app, services)
    dockerfile = parse(read_text(root, root / build.dockerfile) or "")
    if build.target and len(dockerfile.stages) > 1 and "dev" in build.target.lower():
        build = replace(build, target=None)  # Compose is for development.
    if build.target is None:
        build = replace(build, target=serving_stage(dockerfile, root / build.context))
    final = dockerfile.final(build.target) or ()
    alembic = find_alembic(root, place)
    scripts = [
        module
        for module in source.own
        if alembic is not None
        and module.path.is_relative_to(alembic.scripts)
        and "revision" in module.assigned
    ]
    return Repository(
        root=root,
        folder=place,
        source=source,
        app=app,
        routes=read_routes(source, app),
        variables=variables(source),
        build=build,
        dockerfile=dockerfile,
        started=_with_compose(started(final), services, build),
        alembic=alembic,
        services=services,
        examples=_examples(root, place, services, build),
        dependencies=_dependencies(root, place),
        tables=read_tables(source, scripts),
    )


def _app(
    source: Source, within: Path, choose: Callable[[str, Sequence[str]], str]
) -> tuple[AppObject, Path]:
    """Return the app and its folder."""
    root = source.root
    found = [one for one in app_objects(source) if (root / one.module.path).is_relative_to(within)]
    found = [one for one in found if not one.factory] or found
    if not found:
        unread = "; ".join(f"{path} ({why})" for path, why in sorted(source.unread.items())[:3])
        raise PreviewsError(
            "adopt-no-app",
            str(within),
            why="no Python file in it makes an app with `FastAPI(...)`"
            + (f"; not readable: {unread}" if unread else ""),
            remedy="name the folder that holds the app, outside of tests, docs and examples",
        )
    folders = {_folder(root, within, one): one for one in found}
    place = next(iter(folders))
    if len(folders) > 1:
        names = sorted(str(one) for one in folders)
        place = Path(choose("Which app, by its folder?", names))
    objects = [one for one in found if _folder(root, within, one) == place]
    if len(objects) > 1:
        objects.sort(key=lambda one: _rank(root, place, one))
        if _rank(root, place, objects[0]) == _rank(root, place, objects[1]):
            names = [uvicorn_name(root, place, one) for one in objects]
            chosen = choose("Which app object?", names)
            objects = [objects[names.index(chosen)]]
    return objects[0], place


def _folder(root: Path, within: Path, app: AppObject) -> Path:
    """Return the folder of an app: the nearest above its file that looks like a project's."""
    for parent in app.module.path.parents:
        here = root / parent
        if not here.is_relative_to(within):
            break
        if any((here / mark).is_file() for mark in _MARKS) or any(here.glob("*Dockerfile*")):
            return parent
    return within.relative_to(root)


def _rank(root: Path, folder: Path, app: AppObject) -> tuple[int, int]:
    """Rank one of several objects: the one that a Dockerfile or a script starts comes first."""
    name = uvicorn_name(root, folder, app)
    starting = [*(root / folder).glob("*Dockerfile*"), *(root / folder).rglob("*.sh")]
    if any(name in (read_text(root, one) or "") for one in starting):
        return (0, 0)
    usual = app.module.path.name in {"main.py", "app.py", "asgi.py"} and app.name == "app"
    return (1 if usual else 2, len(app.module.path.parts))


def _with_compose(image: Started, services: dict[str, dict[str, Any]], build: Build) -> Started:
    """Return an image with compose's command and health check, where it has none itself."""
    for service in services.values():
        if not service.get("build") or build.composed != service.get("build"):
            continue
        checked = service.get("healthcheck")
        test = checked.get("test") if isinstance(checked, dict) else None
        if not image.health and test:
            line = " ".join(map(str, test)) if isinstance(test, list) else str(test)
            image = replace(image, health=requested_path(line))
        command = service.get("command")
        words = (
            tuple(map(str, command)) if isinstance(command, list) else _words(str(command or ""))
        )
        if words and not (image.command or image.entrypoint):
            image = replace(image, command=words)
    return image


def _words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return ()


def _examples(
    root: Path, folder: Path, services: dict[str, dict[str, Any]], build: Build
) -> dict[str, str]:
    """Return example values of variables, from files such as ``.env.example`` and from compose."""
    found: dict[str, str] = {}
    for service in services.values():
        if "build" not in service:
            continue
        given = service.get("environment")
        pairs = given.items() if isinstance(given, dict) else ()
        lines = [str(one).split("=", 1) for one in given] if isinstance(given, list) else []
        for name, value in [*pairs, *(one for one in lines if len(one) > 1)]:
            if value is not None and "${" not in str(value):
                found.setdefault(str(name), str(value))
    for place in dict.fromkeys((folder, build.context, *folder.parents)):
        for path in sorted((root / place).glob(".env*")):
            text = None if path.is_symlink() else read_text(root, path)
            for line in (text or "").splitlines():
                name, equals, value = line.strip().removeprefix("export ").partition("=")
                if equals and re.fullmatch(r"\w+", name.strip()):
                    found.setdefault(name.strip(), value.strip().strip("\"'"))
    return found


def _dependencies(root: Path, folder: Path) -> frozenset[str]:
    """Return words of the files that name what is installed, in lower case."""
    words = set[str]()
    for place in dict.fromkeys((folder, *folder.parents)):
        for path in (root / place, root / place / "requirements"):
            for file in (
                *path.glob("requirements*.txt"),
                *path.glob("pyproject.toml"),
                *path.glob("Pipfile"),
            ):
                text = (read_text(root, file) or "").lower()
                words |= set(re.findall(r"[a-z][a-z0-9_.-]*", text))
    return frozenset(words)
