"""Dockerfiles, read shallowly: the one of the app, and the process that its last stage starts."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from contract.app.read import is_inside
from contract.written import WrittenError
from contract.yaml_reader import read
from previews.adoption.source import read_text
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_SECRET_NAME = re.compile(
    r"(?:password|passwd|pwd|passphrase|secret|secret[_-]?key|token|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|credentials?|salt|pepper)$",
    re.IGNORECASE,
)
# Compose's own tags, of values that replace those of an earlier file.
_OVERRIDING = frozenset({"!override", "!reset"})
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)[\"']?")
_PAIR = re.compile(
    r"(?<!\w)([A-Za-z_]\w*+)=((?:\"(?:\\.|[^\"\\])*+\"|'[^']*+'|\\.|[^\s\"'\\]|\\)*+)"
)
_NEW_USER = re.compile(r"\b(?:useradd|adduser)\b([^;&|]*)")
_UID = re.compile(r"(?:-u|--uid)[ =](\d+)")
_OWN_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::[^/\s]+)?(/[^\s\"'`);,|\]]*)"
)


def has_secret_name(name: str) -> bool:
    """Return whether a variable's name says that its value is a secret."""
    return _SECRET_NAME.search(name) is not None


def requested_path(check: str) -> str:
    """Return the path that a health check requests from its own container; empty if none."""
    found = _OWN_URL.search(check)
    return found[1].partition("?")[0] if found and "$" not in found[1] else ""


def has_secret_value(value: str) -> bool:
    """Return whether a value has the form of a secret: a known token, or a URL with a password."""
    return redact(value) != value


@dataclass(frozen=True)
class Instruction:
    """An instruction with its arguments as one line, and the number of its first line."""

    name: str
    text: str
    line: int

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of ENV and ARG; an ARG without a default has an empty one."""
        pairs = [(name, value.strip("\"'")) for name, value in _PAIR.findall(self.text)]
        if pairs:
            return pairs
        name, _, value = self.text.partition(" ")
        return [(name, value.strip().strip("\"'"))]

    @property
    def words(self) -> tuple[str, ...]:
        """Words of CMD and ENTRYPOINT; in the shell form ``sh -c`` and the line."""
        if self.text.startswith("["):
            try:
                words = json.loads(self.text)
            except ValueError:
                words = None
            if isinstance(words, list):
                return tuple(str(word) for word in words)
        return ("sh", "-c", self.text) if self.text else ()


@dataclass
class Stage:
    """A stage: what it is built from, its name, its instructions."""

    base: str
    name: str | None
    line: int
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile.

    Attributes:
        stages: Its stages, in order.
        before: Instructions before the first stage.
    """

    stages: tuple[Stage, ...]
    before: tuple[Instruction, ...]

    def final(self, target: str | None = None) -> tuple[Instruction, ...] | None:
        """Return the instructions of the built stage and of those it is built from, in order.

        Returns:
            None if there is no stage with the name of the target.
        """
        names = {stage.name.lower(): stage for stage in self.stages if stage.name}
        names |= {str(number): stage for number, stage in enumerate(self.stages)}
        if target is None:
            stage = self.stages[-1] if self.stages else None
        else:
            stage = names.get(target.lower())
        if stage is None:
            return None
        chain: list[Stage] = []
        while stage is not None and stage not in chain:
            chain.append(stage)
            below = names.get(stage.base.lower())
            stage = below if below is not None and below.line < stage.line else None
        return tuple(one for stage in reversed(chain) for one in stage.instructions)

    @property
    def arguments(self) -> set[str]:
        """Names that any ARG declares."""
        return {name for one in self._all("ARG") for name, _ in one.pairs}

    def secrets(self) -> Iterator[tuple[Instruction, str]]:
        """Yield each ENV and ARG that holds a secret, or is named like one, with its variable."""
        for one in (*self._all("ENV"), *self._all("ARG")):
            for name, value in one.pairs:
                named = has_secret_name(name) and (value or one.name == "ARG")
                if named or has_secret_value(value):
                    yield one, name

    def _all(self, name: str) -> list[Instruction]:
        everything = (*self.before, *(one for stage in self.stages for one in stage.instructions))
        return [one for one in everything if one.name == name]


@dataclass(frozen=True)
class Started:
    """The process that a container of the image starts, and where.

    Attributes:
        entrypoint: Words of its ENTRYPOINT.
        command: Words of its CMD.
        folder: Its WORKDIR.
        ports: Ports of its EXPOSE, as far as they are numbers.
        user: Its USER; empty if there is none.
        environment: Its ENV.
        new_users: Numeric ids that a RUN gives to new users; 1000 for one without.
        copies: Its COPY and ADD of files of the context: sources and destination.
        health: Path that its HEALTHCHECK requests; empty if there is none.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    folder: str = "/"
    ports: tuple[int, ...] = ()
    user: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    new_users: tuple[int, ...] = ()
    copies: tuple[tuple[tuple[str, ...], str], ...] = ()
    health: str = ""

    def place(self, path: str) -> str | None:
        """Return where a file of the context, by its relative path, is in the container."""
        found = None
        for sources, destination in self.copies:
            for source in sources:
                clean = source.removeprefix("./").strip("/")
                if clean in {"", "."} or path.startswith(f"{clean}/"):
                    rest = path if clean in {"", "."} else path[len(clean) + 1 :]
                    found = str(PurePosixPath(destination) / rest)
                elif clean == path:
                    into = destination.endswith(("/", ".")) or len(sources) > 1
                    folder = PurePosixPath(destination)
                    found = str(folder / PurePosixPath(path).name if into else folder)
        return None if found is None else _joined("/", found)


def started(instructions: Sequence[Instruction]) -> Started:
    """Return what a container of a stage starts."""
    values: dict[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    folder, user = "/", ""
    ports: list[int] = []
    new_users: list[int] = []
    copies: list[tuple[tuple[str, ...], str]] = []
    for one in instructions:
        if one.name == "ENV":
            values.update(one.pairs)
        elif one.name == "ENTRYPOINT":
            # It resets a CMD that stands before it.
            entrypoint, command = one.words, ()
        elif one.name == "CMD":
            command = one.words
        elif one.name == "WORKDIR":
            folder = _joined(folder, _filled(one.text, values))
        elif one.name == "USER":
            user = _filled(one.text, values).partition(":")[0]
        elif one.name == "EXPOSE":
            words = _filled(one.text, values).replace("/tcp", "").split()
            ports += [int(word) for word in words if word.isdecimal()]
        elif one.name == "RUN":
            new_users += _new_users(one.text)
        elif one.name in {"COPY", "ADD"} and "--from" not in one.text:
            *sources, to = [word for word in _split(one.text) if not word.startswith("--")] or [""]
            to = _filled(to, values)
            slash = "/" if to.endswith(("/", ".")) else ""
            copies.append((tuple(sources), _joined(folder, to) + slash))
    checks = [one for one in reversed(instructions) if one.name == "HEALTHCHECK"]
    return Started(
        entrypoint,
        command,
        folder,
        tuple(ports),
        user,
        values,
        tuple(new_users),
        tuple(copies),
        next((requested_path(one.text) for one in checks), ""),
    )


def _new_users(text: str) -> Iterator[int]:
    """Yield the numeric ids of users that a RUN adds; without one it is 1000, unless system's."""
    for arguments in _NEW_USER.findall(text):
        uid = _UID.search(arguments)
        if uid or not re.search(r"(^|\s)(-r|-S|--system)\b", arguments):
            yield int(uid[1]) if uid else 1000


def parse(text: str) -> Dockerfile:
    """Read a Dockerfile; what it doesn't understand it leaves out, since the build reports it."""
    before: list[Instruction] = []
    stages: list[Stage] = []
    for one in _instructions(text.removeprefix("\ufeff")):
        if one.name == "FROM":
            words = [word for word in one.text.split() if not word.startswith("--")]
            named = len(words) > 2 and words[1].upper() == "AS"  # noqa: PLR2004 - FROM x AS y
            stages.append(Stage(words[0] if words else "", words[2] if named else None, one.line))
        elif stages:
            stages[-1].instructions.append(one)
        else:
            before.append(one)
    return Dockerfile(tuple(stages), tuple(before))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = iter(enumerate(text.splitlines(), 1))
    for number, first in lines:
        line = first.strip()
        if not line or line.startswith("#"):
            continue
        while line.endswith("\\"):
            line = line[:-1].rstrip()
            for _, more in lines:
                # Comments and empty lines within an instruction are ignored.
                if more.strip() and not more.strip().startswith("#"):
                    line += f" {more.strip()}"
                    break
        name, _, rest = line.partition(" ")
        if name.upper() in {"RUN", "COPY"} and (mark := _HEREDOC.search(rest)):
            for _, more in lines:
                if more.strip() == mark[1]:
                    break
                rest += f"\n{more}"
        yield Instruction(name.upper(), rest.strip(), number)


def _joined(folder: str, path: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(folder) / path).parts[1:]:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/" + "/".join(parts)


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(
        r"\$\{?(\w+)(?::-([^}]*))?\}?",
        lambda match: values.get(match[1], match[2] or ""),
        text.strip().strip("\"'"),
    )


def _split(text: str) -> list[str]:
    try:
        if text.lstrip().startswith("["):
            return [str(word) for word in json.loads(text)]
        return shlex.split(text)
    except ValueError:
        return []


@dataclass(frozen=True)
class Build:
    """A build of the app's image; paths relative to the repository.

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
                # As it was written: YAML 1.1 takes the version 3.10 for 3.1, and 22:22 for 1342.
                text = read_text(root, path) or ""
                _, content = read(text.encode(), aliases=True, untagged=_OVERRIDING)
            except WrittenError:
                continue
            services = content.get("services") if isinstance(content, dict) else None
            for name, service in services.items() if isinstance(services, dict) else ():
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
    copied = started(parse(read_text(root, root / path) or "").final() or ()).copies
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
                if path.is_file() and is_inside(root, path):
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
