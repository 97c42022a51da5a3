"""The ``preview.yaml`` that a repository needs, with a comment wherever a person has to look."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.app.model import FILE
from contract.app.placeholders import NEED_OF, placeholders
from contract.app.read import parse_app
from contract.app.values import app_name
from previews.adoption.dockerfile import started as started_by
from previews.adoption.environment import Values, values_of
from previews.adoption.process import Process, process_of
from previews.adoption.source import read_text
from previews.adoption.surroundings import egress, extensions, flow, scalar, scratch, seeds, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from previews.adoption.repository import Repository

_HEAD = """\
# How previews build, run and test this app. Drafted by `previews adopt` from the source;
# `previews app check` compares it with the repository.
"""
_GENERIC = frozenset(
    {"api", "app", "backend", "code", "main", "project", "server", "service", "src"}
)
_HEALTH = re.compile(
    r"/(healthz?|health-?_?check|ping|alive|status|heartbeat|livez?|readyz?|up)(/|$)"
)
_ENVIRONMENT = re.compile(r"venv|site-packages|/bin\b|/uv\b|requirements\S*\.txt|/usr/local\b")
_OF_ANOTHER = re.compile(r"redis|cache|mail|smtp|celery|queue|s3|stripe")


@dataclass(frozen=True)
class Proposal:
    """The proposed ``preview.yaml``.

    Attributes:
        name: The app's name.
        text: Content of the file.
        found: Things that were read, and their places, for people.
        remarks: Things that a person has to know or to do.
    """

    name: str
    text: str
    found: list[tuple[str, str]]
    remarks: list[str]


def propose(repository: Repository, ask: Callable[[str, str], str]) -> Proposal:
    """Propose the description of an app.

    Args:
        repository: The repository.
        ask: Asks a question, with a proposal; only where the repository has no answer.
    """
    values = values_of(repository, ask)
    remarks = [*values.remarks]
    remarks += _stage(repository)
    process = process_of(repository.started, repository.root / repository.build.context)
    name = _name(repository)
    used = {found for value, _ in values.environment.values() for found in placeholders(value)}
    lines = [f"app: {name}"]
    lines += _block("image", _image(repository, remarks))
    lines += _block("service", _service(repository, process, values, remarks, ask))
    needs = sorted({NEED_OF[name] for name in used & NEED_OF.keys()})
    lines += _block("needs", [f"{name}: {{}}" for name in needs])
    lines += _block("workers", workers(repository, needs, remarks))
    secrets = [
        f"{key}: {_secret(value)}{_comment(why)}" for key, (value, why) in values.secrets.items()
    ]
    lines += _block("secrets", secrets)
    lines += egress(repository)
    lines += _block("database", _database(repository, process, remarks))
    lines += _block("hooks", _seed(repository, process, remarks))
    if (
        repository.root / repository.folder / "openapi.json"
    ).is_file() and repository.routes.openapi:
        lines.append(f"openapi: {{ path: {repository.routes.openapi}, file: openapi.json }}")
    text = _HEAD + "\n".join(lines) + "\n"
    # A draft that its own reader refuses is a fault of this program, and never written.
    parse_app(Path(FILE), text.encode())
    return Proposal(name, text, list(_found(repository, process)), remarks)


def _block(key: str, inner: list[str]) -> list[str]:
    return [f"{key}:", *(f"  {line}" for line in inner)] if inner else []


def _comment(why: str) -> str:
    return f"  # {why}" if why else ""


def _secret(value: str) -> str:
    return value if value == "generate" else f"{{ {value} }}"


def _name(repository: Repository) -> str:
    """Return a name from the project's own, unless that is one that anything could have."""
    root = repository.root
    candidates: list[str] = []
    for place in dict.fromkeys((repository.folder, repository.build.context, Path())):
        text = read_text(root, root / place / "pyproject.toml") or ""
        match = re.search(r"^name\s*=\s*[\"']([^\"']+)", text, re.MULTILINE)
        candidates += [match[1]] if match else []
    candidates += [repository.folder.name, root.name]
    for candidate in candidates:
        kebab = re.sub(r"[^a-z0-9]+", "-", candidate.lower()).strip("-").lstrip("0123456789-")
        if kebab in _GENERIC:
            continue
        name = "-".join(part for part in kebab.split("-") if _is_name(part))[:32].strip("-")
        if name and _is_name(name):
            return name
    return "app"


def _is_name(value: str) -> bool:
    try:
        # A later part may begin with a digit.
        return app_name(value if value[:1].isalpha() else f"a{value}") != ""
    except ValueError:
        return False


def _relative(repository: Repository, path: Path) -> str:
    return Path(os.path.relpath(path, repository.folder)).as_posix()


def _image(repository: Repository, remarks: list[str]) -> list[str]:
    build = repository.build
    context, file = _relative(repository, build.context), _relative(repository, build.dockerfile)
    lines = [f"context: {context}"] if context != "." else []
    lines += [f"dockerfile: {file}"] if file != "Dockerfile" else []
    lines += [f"target: {build.target}"] if build.target else []
    declared = {
        name: value for name, value in build.args.items() if name in repository.dockerfile.arguments
    }
    lines += _block("args", [f"{name}: {scalar(value)}" for name, value in declared.items()])
    if build.others:
        others = ", ".join(str(path) for path in build.others)
        remarks.append(f"there is also {others}; {build.dockerfile} is used")
    return lines


def _service(
    repository: Repository,
    process: Process,
    values: Values,
    remarks: list[str],
    ask: Callable[[str, str], str],
) -> list[str]:
    lines, port = _command(repository, process, remarks)
    lines.append(f"port: {port}")
    user = repository.started.user
    number = int(user) if user.isdecimal() else None
    if user and user != "root" and number is None and len(repository.started.new_users) == 1:
        number = repository.started.new_users[0]
    if number:
        guess = "" if user.isdecimal() else f"  # review: the number of user {user}"
        lines.append(f"user: {number}{guess}")
    if folders := scratch(repository):
        written = ", ".join(("/tmp", *folders))  # noqa: S108 - a folder of the container
        lines.append(f"scratch: [{written}]  # review: folders that it writes to")
    lines.append(f"health: {_health(repository, remarks, ask)}")
    environment = [
        f"{name}: {scalar(value)}{_comment(why)}"
        for name, (value, why) in values.environment.items()
    ]
    return [*lines, *_block("environment", environment)]


def _command(repository: Repository, process: Process, remarks: list[str]) -> tuple[list[str], int]:
    started = repository.started
    exposed = [port for port in started.ports if port >= 1024]  # noqa: PLR2004 - others are root's
    port = process.port or (exposed[0] if exposed else 8000)
    reasons = [
        ("the image's own migrates first, which is the Job's part", process.migrates),
        ("one process a pod; the platform adds pods", process.workers > 1),
        (f"`{process.runner}` writes to folders that a pod can't", bool(process.runner)),
        ("the image's own listens inside of the container alone", process.listens_locally),
        ("the image's own is for development", process.reloads),
        ("ports below 1024 are root's", port < 1024),  # noqa: PLR2004
    ]
    why = [reason for reason, holds in reasons if holds]
    if port < 1024:  # noqa: PLR2004
        port = 8000
    own = started_by(repository.dockerfile.final(repository.build.target) or ())
    bare = not (own.entrypoint or own.command)
    if bare and started.command:
        why.insert(0, "the image has no CMD; this is compose's command")
    comments = [f"# {one[0].upper()}{one[1:]}." for one in why]
    if process.words and why:
        return [*comments, f"command: {flow(process.for_a_preview(started))}"], port
    if bare and not started.command:
        address = ("--host", "0.0.0.0", "--port", str(port))  # noqa: S104 - a container
        factory = ("--factory",) if repository.app.factory else ()
        words = ("uvicorn", repository.target, *address, *factory)
        return ["# Review: the image has no CMD.", f"command: {flow(words)}"], port
    if process.words:
        return [], port
    what = process.script or " ".join((*started.entrypoint, *started.command))
    remarks.append(
        f"what the image starts was not understood ({what}); it has to listen on 0.0.0.0:{port}"
        " and must not migrate: set `service.command` if it does otherwise"
    )
    return ([*comments, f"command: {flow(started.command)}"] if bare else []), port


def _health(repository: Repository, remarks: list[str], ask: Callable[[str, str], str]) -> str:
    plain = repository.routes.plain
    usable = [path for path in plain if _HEALTH.search(path) and not _OF_ANOTHER.search(path)]
    found = sorted(usable, key=_health_order)
    ready = next((path for path in found if "ready" in path), None)
    live = next((path for path in found if re.search(r"/(live|alive)", path)), None)
    if ready and live:
        return f"{{ live: {live}, ready: {ready} }}"
    checked = repository.started.health
    if checked and (not found or checked in found):
        return checked if found else f"{checked}  # the image's or compose's health check"
    if found:
        return found[0]
    proposal = repository.routes.openapi or next(iter(plain), "/")
    answer = ask("Which path answers 2xx while the app is well?", proposal)
    if answer == proposal:
        remarks.append(
            f"no health route was found; {proposal} says that the app serves, not that it reaches"
            " its database: add a route such as /health, and name it in `service.health`"
        )
        return f"{answer}  # review: no health route was found"
    return answer


def _health_order(path: str) -> tuple[bool, bool, int, str]:
    last = path.rstrip("/").rpartition("/")[2]
    return (_HEALTH.search(f"/{last}") is None, "health" not in path, len(path), path)


def _database(repository: Repository, process: Process, remarks: list[str]) -> list[str]:
    lines: list[str] = []
    alembic = repository.alembic
    if alembic is None:
        remarks.append(
            "no alembic.ini was found; set `database.migrate` if something else migrates"
        )
    else:
        lines.append(f"migrate: {_migrate(repository, process, remarks)}")
    needed = sorted(extensions(repository))
    if needed:
        lines.append(f"extensions: [{', '.join(needed)}]")
    return lines


def _seed(repository: Repository, process: Process, remarks: list[str]) -> list[str]:
    found = list(dict.fromkeys(seeds(repository)))
    if len({command for _, command in found}) > 1:
        remarks += [
            f"{script} runs `{command}` after the migrations; `hooks.seed` can do that"
            for script, command in found
        ]
    elif found:
        script, command = found[0]
        program, *arguments = command.split()
        words = (_beside(process, program), *arguments)
        return [f"seed: {{ command: {flow(words)} }}  # review: {script} runs it"]
    return []


def _beside(process: Process, program: str) -> str:
    """Return a program of the environment that the server is started from."""
    folder = process.words[0].rpartition("/")[0] if process.words else ""
    return f"{folder}/{program}" if folder else program


def _migrate(repository: Repository, process: Process, remarks: list[str]) -> str:
    alembic, started = repository.alembic, repository.started
    program = "alembic"
    if process.runner:
        program = process.for_a_preview(started)[0].rpartition("/")[0]
        program = f"{program}/alembic" if program else "alembic"
    elif process.words and process.words[0].startswith("/"):
        program = process.words[0].rpartition("/")[0] + "/alembic"
    if alembic is None or not alembic.ini.is_relative_to(repository.build.context):
        return flow((program, "upgrade", "head"))
    inside = alembic.ini.relative_to(repository.build.context).as_posix()
    place = started.place(inside)
    if place is None:
        # A virtual environment that is copied from a stage has no alembic.ini of the app.
        copied = any(
            "--from" in one.text and not _ENVIRONMENT.search(one.text)
            for one in repository.dockerfile.final(repository.build.target) or ()
            if one.name == "COPY"
        )
        if not copied:
            remarks.append(f"{repository.build.dockerfile} does not copy {inside} into the image")
        return flow((program, "upgrade", "head"))
    if place.rpartition("/")[0] in {started.folder.rstrip("/"), started.folder}:
        return flow((program, "upgrade", "head"))
    return flow((program, "-c", place, "upgrade", "head")) + "  # review"


def _stage(repository: Repository) -> Iterator[str]:
    build, stages = repository.build, repository.dockerfile.stages
    if build.target and build.composed is None:
        yield (
            f"the last stage of {build.dockerfile} ({stages[-1].name or 'without a name'}) starts"
            f" no server for a preview; stage {build.target} is built"
        )


def _found(repository: Repository, process: Process) -> Iterator[tuple[str, str]]:
    build = repository.build
    yield "app", f"{repository.target} ({repository.app.module.path}:{repository.app.line})"
    yield "image", f"{build.dockerfile}, context {build.context}"
    command = " ".join((*repository.started.entrypoint, *repository.started.command))
    yield "starts", f"{command or 'nothing'}{' (which migrates)' if process.migrates else ''}"
    paths = len(repository.routes.paths)
    unread = (
        f", not readable: {', '.join(repository.routes.unread[:3])}"
        if repository.routes.unread
        else ""
    )
    yield "routes", f"{paths}{unread}"
    yield "variables", f"{len(repository.variables)}"
    yield "migrations", f"{repository.alembic.ini}" if repository.alembic else "none"
    tables = repository.tables
    yield (
        "tables",
        f"{len(tables.columns)} from {tables.origin or 'nothing'}"
        + (f", not readable: {len(tables.unread)} places" if tables.unread else ""),
    )
