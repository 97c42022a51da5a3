"""How an app's image is built: by the compose file, or from the Dockerfile that is nearest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from previews.adoption.dockerfile import parse, started
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from previews.adoption.routes import AppObject

_NOT_ITS = ("celery", "debug", "dev", "front", "local", "nginx", "test", "worker")
_DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
USER 10001
EXPOSE 8000
CMD ["uvicorn", "{module}", "--host", "0.0.0.0", "--port", "8000"]"""


@dataclass(frozen=True)
class Build:
    """How the image is built; paths relative to the repository.

    Attributes:
        composed: The same as compose has it; None if the compose file doesn't build it.
        others: Further Dockerfiles, which may be meant instead.
    """

    dockerfile: Path
    context: Path
    target: str | None = None
    args: dict[str, str] = field(default_factory=dict)
    composed: object = None
    others: tuple[Path, ...] = ()


def read_services(root: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the services of the compose files, an earlier file's first."""
    found: dict[str, dict[str, Any]] = {}
    for place in dict.fromkeys((folder, *folder.parents)):
        names = [
            *sorted((root / place).glob("docker-compose*.y*ml")),
            *sorted((root / place).glob("compose*.y*ml")),
        ]
        for path in sorted(names, key=lambda path: (len(path.name), path.name)):
            try:
                content = yaml.safe_load(path.read_text(errors="replace"))
            except (yaml.YAMLError, ValueError):
                continue
            services = content.get("services") if isinstance(content, dict) else None
            for name, service in (services or {}).items():
                if isinstance(service, dict):
                    found.setdefault(str(name), {**service, "folder": place})
    return found


def find_build(
    root: Path, folder: Path, app: AppObject, services: dict[str, dict[str, Any]]
) -> Build:
    """Return the build of the app's image: compose's, or the Dockerfile that is nearest."""
    composed = [one for service in services.values() for one in _composed(root, app, service)]
    named = [one for one in composed if _suits(one.dockerfile)]
    plain = list(dict.fromkeys(_dockerfiles(root, folder)))
    best = [path for path in plain if _suits(path)] or plain
    for build in named:
        if build.dockerfile.is_relative_to(folder) or not best:
            others = tuple(path for path in best if path != build.dockerfile)
            return replace(build, others=others)
    if not best:
        raise PreviewsError(
            "adopt-no-dockerfile",
            str(root / folder),
            why="the app has no Dockerfile, and a preview runs its image",
            remedy="write one and run this again; a plain one, for requirements.txt:\n"
            + _DOCKERFILE.replace("{module}", uvicorn_name(root, folder, app)),
        )
    path = best[0]
    contexts = list(dict.fromkeys((path.parent, folder, *folder.parents)))
    contexts = [one for one in contexts if app.module.path.is_relative_to(one)] or [folder]
    copied = started(parse((root / path).read_text(errors="replace")).final() or ()).copies
    sources = [source for sources, _ in copied for source in sources]
    context = max(
        contexts, key=lambda one: sum((root / one / source).exists() for source in sources)
    )
    return Build(path, context, others=tuple(best[1:]))


def _composed(root: Path, app: AppObject, service: dict[str, Any]) -> Iterator[Build]:
    build = given = service.get("build")
    if isinstance(build, str):
        build = {"context": build}
    if not isinstance(build, dict):
        return
    context = (root / service["folder"] / str(build.get("context", "."))).resolve()
    dockerfile = (context / str(build.get("dockerfile", "Dockerfile"))).resolve()
    if not dockerfile.is_file() or not dockerfile.is_relative_to(root):
        return
    if not (root / app.module.path).is_relative_to(context) or not context.is_relative_to(root):
        return
    args = build.get("args")
    pairs = args.items() if isinstance(args, dict) else ()
    yield Build(
        dockerfile.relative_to(root),
        context.relative_to(root),
        str(build["target"]) if build.get("target") else None,
        {str(name): str(value) for name, value in pairs if value and "$" not in str(value)},
        composed=given,
    )


def _dockerfiles(root: Path, folder: Path) -> Iterator[Path]:
    for place in (folder, *folder.parents):
        inner = [root / place, *(root / place / name for name in ("docker", "deploy", "build"))]
        for one in inner:
            paths = [path for path in one.glob("*Dockerfile*") if path.suffix != ".dockerignore"]
            for path in sorted(paths, key=lambda path: (_order(path.name), path.name)):
                yield path.relative_to(root)


def _order(name: str) -> int:
    return 0 if name == "Dockerfile" else 1 if "prod" in name.lower() else 2


def _suits(path: Path) -> bool:
    return not any(word in path.name.lower().replace("dockerfile", "") for word in _NOT_ITS)


def uvicorn_name(root: Path, folder: Path, app: AppObject) -> str:
    """Return an app as uvicorn names it, from the folder that its packages are imported from."""
    top = (root / app.module.path).parent
    while (top / "__init__.py").exists() and top != root:
        top = top.parent
    parts = app.module.path.with_suffix("").parts[len(top.relative_to(root).parts) :]
    inside = app.module.path.with_suffix("").parts[len(folder.parts) :]
    # Without __init__.py a folder is a package if its own files import by its name.
    imported = {name.partition(".")[0] for name, _ in app.module.imports.values()}
    if len(inside) > len(parts) and inside[0] in imported:
        parts = inside
    return f"{'.'.join(part for part in parts if part != '__init__')}:{app.name}"
