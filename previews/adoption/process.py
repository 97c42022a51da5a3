"""The process that an image starts: its command, and what stands in its way in a preview."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from previews.adoption.dockerfile import started as started_by
from previews.adoption.source import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from previews.adoption.dockerfile import Dockerfile, Started

_SERVERS = frozenset({"uvicorn", "fastapi", "gunicorn", "hypercorn", "granian"})
_INITS = frozenset({"tini", "dumb-init", "catatonit"})
_FOR_DEVELOPMENT = re.compile(r"dev|test|local|debug|build", re.IGNORECASE)
_RUNNERS = (["poetry", "run"], ["uv", "run"], ["pdm", "run"], ["pipenv", "run"])


@dataclass(frozen=True)
class Process:
    """The server that a container starts.

    Attributes:
        words: Its command; empty if it can't be read.
        script: Path of the script of the context that it starts, relative to it.
        migrates: True if it migrates the database before.
        workers: Number of processes that it asks for.
        address: Address that it listens on, if its arguments say so; empty if they don't.
        port: Port, likewise.
        runner: Command that it is run by, such as ``poetry run``.
        listens_locally: True if nobody outside of the container reaches it.
        reloads: True if it watches the source, for development.
    """

    words: tuple[str, ...] = ()
    script: str | None = None
    migrates: bool = False
    workers: int = 1
    address: str = ""
    port: int | None = None
    runner: str = ""
    listens_locally: bool = False
    reloads: bool = False

    def for_a_preview(self, started: Started) -> tuple[str, ...]:
        """Return the command for a preview: one process, on all addresses, nothing before it."""
        words = [*self.words]
        if self.runner:
            words = [_installed(words[0], started), *words[1:]]
        words = [word for word in words if word not in {"--reload", "--proxy-headers"}]
        words = _without(words, ("--workers", "-w"))
        program = PurePosixPath(words[0]).name
        if program == "uvicorn" and self.listens_locally:
            words = [*_without(words, ("--host",)), "--host", "0.0.0.0"]  # noqa: S104 - a container
        if program == "fastapi" and "dev" in words:
            words[words.index("dev")] = "run"
        if self.port is not None and self.port < 1024:  # noqa: PLR2004 - root's ports
            words = [*_without(words, ("--port", "-p")), "--port", "8000"]
        return tuple(words)


def process_of(started: Started, context: Path) -> Process:
    """Return the server that an image starts."""
    words = [*started.entrypoint, *started.command]
    script, lines = _script(words, context)
    rest = words
    shells = {"sh", "bash", "/bin/sh", "/bin/bash"}
    if lines is None and words[:1] and words[0] in shells and words[1:2] in (["-c"], ["-lc"]):
        lines = re.split(r"&&|;|\n", " ".join(words[2:]))
    if lines is not None:
        parts = [one.strip().removeprefix("exec ").strip() for one in lines]
        migrates = any(re.search(r"\balembic\b.*\bupgrade\b", one) for one in parts)
        served = [one.rstrip("& ") for one in parts if _serves(one)]
        plain = [one for one in served if not re.search(r"--reload|fastapi dev", one)]
        served = plain or served
        # A script that ends in `exec "$@"` starts what is passed to it.
        passed = [*started.command] if served == [] and script else []
        rest = passed or (_split(served[-1]) if served else [])
        if any("$" in word for word in rest):
            rest = [_filled(word, started.environment) for word in rest]
        if any("$" in word for word in rest):
            return Process(script=script, migrates=migrates)
    else:
        migrates = False
    return _read(rest, started, script, migrates=migrates)


def serving_stage(dockerfile: Dockerfile, context: Path) -> str | None:
    """Return the stage to build if the last one serves nothing, or is for development."""

    def serves(stage: str | None) -> bool:
        process = process_of(started_by(dockerfile.final(stage) or ()), context)
        known = bool(process.words or (stage is None and process.script))
        return known and not process.reloads

    names = [stage.name for stage in dockerfile.stages if stage.name]
    last = dockerfile.stages[-1].name if dockerfile.stages else None
    if serves(None) and not (last and _FOR_DEVELOPMENT.search(last)):
        return None
    fitting = [name for name in reversed(names) if not _FOR_DEVELOPMENT.search(name)]
    return next((name for name in fitting if name != last and serves(name)), None)


def _read(words: Sequence[str], started: Started, script: str | None, *, migrates: bool) -> Process:
    rest, runner = [*words], ""
    if rest and PurePosixPath(rest[0]).name in _INITS:
        # An init that reaps children; the node's runtime and one process a pod need none.
        rest = rest[1:]
        while rest and rest[0].startswith("-"):
            rest = rest[1:]
    for one in _RUNNERS:
        if rest[: len(one)] == one:
            runner, rest = " ".join(one), rest[len(one) :]
            while rest and rest[0].startswith("-"):
                rest = rest[1:]
    if not rest or not _serves(" ".join(rest)):
        return Process(script=script, migrates=migrates)
    program = PurePosixPath(rest[0]).name
    address = _option(rest, ("--host", "-b", "--bind")) or started.environment.get(
        "UVICORN_HOST", ""
    )
    port = _option(rest, ("--port", "-p")) or started.environment.get("UVICORN_PORT", "")
    if ":" in address and program in {"gunicorn", "hypercorn"}:
        address, _, port = address.rpartition(":")
    local = address in {"127.0.0.1", "localhost"}
    if not address and program == "uvicorn":
        local = True
    if not address and program == "fastapi" and "dev" in rest:
        local = True
    workers = _option(rest, ("--workers", "-w"))
    return Process(
        words=tuple(rest),
        script=script,
        migrates=migrates,
        workers=int(workers) if workers.isdecimal() else 1,
        address=address,
        port=int(port) if port.isdecimal() else None,
        runner=runner,
        listens_locally=local,
        reloads="--reload" in rest or (program == "fastapi" and "dev" in rest),
    )


def _serves(line: str) -> bool:
    words = [PurePosixPath(word).name for word in line.split()[:6]]
    return bool(_SERVERS & set(words)) and "pip" not in words


def _script(words: Sequence[str], context: Path) -> tuple[str | None, list[str] | None]:
    """Return the script that the words start: its path in the context, and its lines."""
    for word in words[:3]:
        name = PurePosixPath(word).name
        if not name.endswith(".sh"):
            continue
        inner = word.lstrip("/").removeprefix("./")
        places = [context / inner, *(context / part for part in _tails(inner))]
        places += sorted(context.glob(f"**/{name}"))[:1]
        for place in places:
            text = read_text(context, place)
            if text is not None:
                joined = text.replace("\\\n", "")
                lines = [line for line in joined.splitlines() if not line.lstrip().startswith("#")]
                return str(place.relative_to(context)), [
                    part for line in lines for part in line.split("&&")
                ]
    return None, None


def _tails(path: str) -> list[str]:
    parts = PurePosixPath(path).parts
    return ["/".join(parts[start:]) for start in range(1, len(parts))]


def _option(words: Sequence[str], names: tuple[str, ...]) -> str:
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else (words[number + 1] if number + 1 < len(words) else "")
    return ""


def _without(words: Sequence[str], names: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in names:
            skip = True
        elif word.partition("=")[0] not in names:
            kept.append(word)
    return kept


def _installed(program: str, started: Started) -> str:
    """Return the path of a program that ``poetry run`` or ``uv run`` would find."""
    if started.environment.get("POETRY_VIRTUALENVS_CREATE", "").lower() in {"false", "0"}:
        return program
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"):
        if started.environment.get(name, "").startswith("/"):
            return f"{started.environment[name]}/bin/{program}"
    return f"{started.folder.rstrip('/')}/.venv/bin/{program}"


def _filled(word: str, environment: dict[str, str]) -> str:
    def one(match: re.Match[str]) -> str:
        name, default = match[1] or match[3], match[2]
        return environment.get(name, default if default is not None else match[0])

    return re.sub(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)", one, word)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
