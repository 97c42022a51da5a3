"""Parser of Dockerfiles into stages and instructions.

The grammar is that of the Dockerfile reference: parser directives, comments, continued lines,
``--flags``, the JSON form, and here-documents. Instructions are interpreted elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sandbox.containers.words import split_words
from sandbox.errors import SandboxError

FLAGS: Final = {
    "ADD": ("chmod", "chown", "exclude", "link"),
    "ARG": (),
    "CMD": (),
    "COPY": ("chmod", "chown", "exclude", "from", "link", "parents"),
    "ENTRYPOINT": (),
    "ENV": (),
    "EXPOSE": (),
    "FROM": ("platform",),
    "HEALTHCHECK": ("interval", "retries", "start-interval", "start-period", "timeout"),
    "LABEL": (),
    "MAINTAINER": (),
    "RUN": ("mount", "network"),
    "SHELL": (),
    "STOPSIGNAL": (),
    "USER": (),
    "VOLUME": (),
    "WORKDIR": (),
}
"""Supported instructions and their flags."""
_INSTEAD: Final = {
    "ONBUILD": "write the instruction into the Dockerfile that is built FROM this one",
}
_WITH_HEREDOC: Final = {"ADD", "COPY", "RUN"}
_DIRECTIVE = re.compile(r"#\s*(?P<key>[a-zA-Z]+)\s*=\s*(?P<value>.+?)\s*")
_SYNTAX = re.compile(r"(docker\.io/)?docker/dockerfile(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")
_FLAG = re.compile(r"--(?P<name>[a-z-]+)(=(?P<value>\S*))?(\s+|$)")
_HEREDOC = re.compile(r"(\d*)<<(?P<strip>-?)(?P<quote>['\"]?)(?P<name>[A-Za-z_]\w*)(?P=quote)")


class DockerfileError(SandboxError):
    """Something in a Dockerfile that is wrong, or that the sandbox can't honour.

    Attributes:
        line: Number of its line; 0 for the whole file.
    """

    def __init__(self, what: str, *, line: int = 0, why: str, remedy: str) -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.line = line


@dataclass(frozen=True)
class Heredoc:
    """Here-document of RUN, COPY or ADD; ``expands`` unless its delimiter is quoted."""

    name: str
    text: str
    expands: bool


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        name: Name in capitals.
        flags: ``(name, value)`` in order; a flag without a value has "true".
        text: Text after the flags, lines joined.
        line: Number of its first line.
        heredocs: Its here-documents.
    """

    name: str
    flags: tuple[tuple[str, str], ...]
    text: str
    line: int
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def json(self) -> list[str] | None:
        """Words of the JSON (exec) form; None in another form."""
        if not self.text.startswith("["):
            return None
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        is_words = isinstance(words, list) and all(isinstance(word, str) for word in words)
        return words if is_words else None

    def flag(self, name: str) -> str | None:
        """Return the value of a flag that may occur once."""
        values = self.values(name)
        if len(values) > 1:
            raise self.error(f"--{name} occurs {len(values)} times", "keep one of them")
        return next(iter(values), None)

    def values(self, name: str) -> list[str]:
        """Return the values of a flag that may occur several times."""
        return [value for key, value in self.flags if key == name]

    def error(self, why: str, remedy: str) -> DockerfileError:
        """Return an error with this instruction and its line."""
        first, *more = f"{self.name} {self.text}".splitlines()
        shown = first if len(first) <= 80 and not more else f"{first[:80]}..."  # noqa: PLR2004
        return DockerfileError(
            f"Dockerfile line {self.line}: {shown}", line=self.line, why=why, remedy=remedy
        )


@dataclass(frozen=True)
class Stage:
    """``FROM base AS name`` and the instructions that follow."""

    index: int
    name: str | None
    start: Instruction
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile: the ARGs before the first FROM, and the stages."""

    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    escape: str


def parse(text: str) -> Dockerfile:
    """Parse a Dockerfile.

    Raises:
        DockerfileError: The first thing that is not supported.
    """
    parsed, problems = read(text)
    if problems:
        raise problems[0]
    return parsed


def read(text: str) -> tuple[Dockerfile, list[DockerfileError]]:
    """Parse a Dockerfile as far as possible; return it with everything that is not supported."""
    problems: list[DockerfileError] = []
    text = text.removeprefix("\ufeff")  # A byte order mark.
    escape = _read_directives(text, problems)
    arguments: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in _instructions(text, escape, problems):
        if instruction.name == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.name == "ARG":
            arguments.append(instruction)
        else:
            problems.append(instruction.error("it stands before the first FROM", "begin with FROM"))
    if not stages and not problems:
        remedy = "begin a stage with FROM"
        problems.append(DockerfileError("Dockerfile", why="it has no FROM", remedy=remedy))
    named = []
    for index, (start, body) in enumerate(stages):
        try:
            name = _stage_name(start)
        except DockerfileError as error:
            problems.append(error)
            continue
        named.append(Stage(index, name, start, tuple(body)))
    return Dockerfile(tuple(arguments), tuple(named), escape), problems


def _stage_name(start: Instruction) -> str | None:
    match start.text.split():
        case [_]:
            return None
        case [_, keyword, name] if keyword.upper() == "AS":
            return name.lower()
        case _:
            raise start.error("expected FROM image [AS name]", "correct the line")


def _read_directives(text: str, problems: list[DockerfileError]) -> str:
    escape = "\\"
    for number, line in enumerate(text.splitlines(), 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            break
        key, value = match["key"].lower(), match["value"]
        if key == "escape" and value in {"\\", "`"}:
            escape = value
        elif key == "syntax" and not _SYNTAX.fullmatch(value):
            problem = DockerfileError(
                f"Dockerfile line {number}: {line.strip()}",
                line=number,
                why="the sandbox supports the syntax docker/dockerfile:1 only",
                remedy="remove the directive, or use docker/dockerfile:1",
            )
            problems.append(problem)
    return escape


def _instructions(text: str, escape: str, problems: list[DockerfileError]) -> Iterator[Instruction]:
    lines = enumerate(text.splitlines(), 1)
    for number, first in lines:
        if not first.strip() or first.lstrip().startswith("#"):
            continue
        line = first.strip()
        while line.endswith(escape):
            # Comments and empty lines within a continued instruction are ignored.
            line = line[: -len(escape)].rstrip() + " "
            for _, more in lines:
                if more.strip() and not more.lstrip().startswith("#"):
                    line += more.strip()
                    break
            else:
                line = line.rstrip()
        try:
            yield _read(line, number, lines)
        except DockerfileError as error:
            problems.append(error)
        except ValueError as error:
            word, _, rest = line.partition(" ")
            bare = Instruction(word.upper(), (), rest, number)
            problems.append(bare.error(str(error), "correct the line"))


def _read(line: str, number: int, lines: Iterator[tuple[int, str]]) -> Instruction:
    word, *rest = line.split(maxsplit=1)
    bare = Instruction(word.upper(), (), "".join(rest).strip(), number)
    allowed = FLAGS.get(bare.name)
    if allowed is None:
        remedy = _INSTEAD.get(bare.name, f"use one of {', '.join(FLAGS)}")
        raise bare.error(f"{bare.name} is not an instruction that the sandbox supports", remedy)
    flags, text = _read_flags(bare, allowed)
    if not text and bare.name != "HEALTHCHECK":
        raise bare.error("it has no argument", "complete the line")
    heredocs: tuple[Heredoc, ...] = ()
    if bare.name in _WITH_HEREDOC and "<<" in text and not text.startswith("["):
        heredocs = tuple(_read_heredocs(bare, text, lines))
    return Instruction(bare.name, flags, text, number, heredocs)


def _read_flags(
    bare: Instruction, allowed: tuple[str, ...]
) -> tuple[tuple[tuple[str, str], ...], str]:
    flags, text = [], bare.text
    while match := _FLAG.match(text):
        if match["name"] not in allowed:
            expected = ", ".join(f"--{name}" for name in allowed) or "none"
            why = f"--{match['name']} is no flag of {bare.name} that the sandbox supports"
            raise bare.error(why, f"remove it; supported are: {expected}")
        flags.append((match["name"], "true" if match["value"] is None else match["value"]))
        text = text[match.end() :]
    return tuple(flags), text


def _read_heredocs(
    bare: Instruction, text: str, lines: Iterator[tuple[int, str]]
) -> Iterator[Heredoc]:
    for word in split_words(text):
        match = _HEREDOC.fullmatch(word)
        if match is None:
            continue
        body = []
        for _, line in lines:
            content = line.lstrip("\t") if match["strip"] else line
            if content == match["name"]:
                break
            body.append(f"{content}\n")
        else:
            why = f"the here-document {match['name']} does not end"
            raise bare.error(why, f"end it with a line {match['name']}")
        yield Heredoc(match["name"], "".join(body), expands=not match["quote"])
