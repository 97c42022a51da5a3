"""Instructions that change an image's configuration, and none of its files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from sandbox.containers.dockerfile import Instruction
from sandbox.containers.image_config import ImageConfig, nanoseconds
from sandbox.containers.words import expand, split_words

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?")
_SIGNAL = re.compile(r"(SIG)?[A-Z0-9+-]+")
_DURATIONS: Final = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_HIGHEST_PORT: Final = 65535

Variables = Mapping[str, str]


def pairs(instruction: Instruction, variables: Variables, escape: str) -> dict[str, str]:
    """Return the names and values of ENV or LABEL, also in the old form without ``=``.

    Raises:
        ValueError: A word is not ``name=value``.
    """
    words = split_words(instruction.text, escape)
    if "=" not in words[0]:
        name, _, value = instruction.text.partition(" ")
        if not value.strip():
            msg = f"{name} has no value"
            raise ValueError(msg)
        return {name: expand(value.strip(), variables, escape)}
    result = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            msg = f"expected name=value, found {word}"
            raise ValueError(msg)
        result[expand(name, variables, escape)] = expand(value, variables, escape)
    return result


def _env(config: ImageConfig, instruction: Instruction, variables: Variables, escape: str) -> None:
    config.env.update(pairs(instruction, variables, escape))


def _label(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    config.labels.update(pairs(instruction, variables, escape))


def _maintainer(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    config.author = expand(instruction.text, variables, escape)


def _user(config: ImageConfig, instruction: Instruction, variables: Variables, escape: str) -> None:
    config.user = expand(instruction.text, variables, escape)


def _cmd(config: ImageConfig, instruction: Instruction, variables: Variables, escape: str) -> None:
    del variables, escape  # The shell expands variables here.
    config.cmd = command_of(instruction, config)
    config.cmd_is_inherited = False


def _entrypoint(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    del variables, escape
    config.entrypoint = command_of(instruction, config)
    if config.cmd_is_inherited:
        config.cmd = None


def _shell(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    del variables, escape
    words = instruction.json
    if not words:
        msg = 'expected the JSON form, as in SHELL ["/bin/sh", "-c"]'
        raise ValueError(msg)
    config.shell = words


def _expose(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    for word in split_words(instruction.text, escape):
        text = expand(word, variables, escape)
        match = _PORT.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= _HIGHEST_PORT:
            msg = f"{text} is no port; expected one such as 8000 or 8000/tcp"
            raise ValueError(msg)
        protocol = match[3] or "tcp" if match else ""
        ports = [f"{port}/{protocol}" for port in range(first, last + 1)]
        config.ports += [port for port in ports if port not in config.ports]


def _volume(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    words = instruction.json or split_words(instruction.text, escape)
    config.volumes += [expand(word, variables, escape) for word in words]


def _stop_signal(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    text = expand(instruction.text, variables, escape)
    if not _SIGNAL.fullmatch(text):
        msg = f"{text} is no signal; expected one such as SIGTERM or 15"
        raise ValueError(msg)
    config.stop_signal = text


def _healthcheck(
    config: ImageConfig, instruction: Instruction, variables: Variables, escape: str
) -> None:
    del variables, escape
    kind, _, rest = instruction.text.partition(" ")
    if kind.upper() == "NONE" and not rest and not instruction.flags:
        config.healthcheck = {"Test": ["NONE"]}
        return
    if kind.upper() != "CMD" or not rest.strip():
        msg = "expected HEALTHCHECK [flags] CMD command, or HEALTHCHECK NONE"
        raise ValueError(msg)
    command = Instruction("CMD", (), rest.strip(), instruction.line)
    words = command.json
    test = ["CMD", *words] if words else ["CMD-SHELL", command.text]
    config.healthcheck = {"Test": test}
    for name, value in instruction.flags:
        if name == "retries":
            config.healthcheck["Retries"] = int(value)
        else:
            config.healthcheck[_DURATIONS[name]] = nanoseconds(value)


def command_of(instruction: Instruction, config: ImageConfig) -> list[str]:
    """Return the words of CMD, ENTRYPOINT or RUN: the JSON form as it is, else a shell command."""
    words = instruction.json
    return words or [*config.shell, instruction.text]


SETTINGS: Final[dict[str, Callable[[ImageConfig, Instruction, Variables, str], None]]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
}
"""Functions that apply each of these instructions; all raise ValueError."""


def describe(instruction: Instruction) -> str:
    """Return the instruction as an entry of an image's history."""
    flags = "".join(f"--{name}={value} " for name, value in instruction.flags)
    words = instruction.json
    text = json.dumps(words) if words is not None else instruction.text
    return f"{instruction.name} {flags}{text}"
