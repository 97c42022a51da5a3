"""Packages that a RUN installs with the distribution's package manager.

``apt-get`` is the machine's own, with the list of the machine's packages, so it installs what the
machine lacks. What it can't do on this machine is refused before anything is built.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

from sandbox.containers.dockerfile import Instruction

_MANAGERS: Final = {
    "apt-get": "Debian's or Ubuntu's",
    "apt": "Debian's or Ubuntu's",
    "aptitude": "Debian's or Ubuntu's",
    "apk": "Alpine's",
    "dnf": "Fedora's",
    "microdnf": "Red Hat's",
    "yum": "Red Hat's",
    "zypper": "SUSE's",
    "pacman": "Arch's",
}
_COMMANDS: Final = re.compile(r"\|\||&&|[;|&\n(){}]")
_ENGINE: Final = "or install docker, podman or buildah, which then builds the real image"
_VERSIONS: Final = re.compile(r"[=/].*$")


def refuse_packages(instruction: Instruction, script: str) -> None:
    """Check that this machine's package manager can do what a RUN's script asks of one.

    Args:
        instruction: The RUN.
        script: Its shell command.

    Raises:
        DockerfileError: It can't.
    """
    missing: list[str] = []
    for manager, packages in requested(script):
        if shutil.which(manager, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            raise instruction.error(
                f"{manager} is {_MANAGERS[manager]} package manager, which this machine lacks",
                "use the image for this machine's distribution (python:3.x-slim has apt-get),"
                f" {_ENGINE}",
            )
        missing += [name for name in packages if os.geteuid() != 0 and not _is_installed(name)]
    if missing:
        names = " ".join(dict.fromkeys(missing))
        raise instruction.error(
            f"without root no package can be installed here, and this machine lacks {names}",
            f"install on this machine what the image needs (`sudo apt-get install {names}`),"
            f" which is the base of every image, build as root, {_ENGINE}",
        )


def requested(script: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the package managers that a script calls, each with the packages to install."""
    # Comments within a continued instruction are gone; a continued line of a script is not.
    for command in _COMMANDS.split(script.replace("\\\n", " ")):
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # A quote that spans the separators.
            words = command.split()
        while words and (words[0] in {"sudo", "exec", "then", "do", "if", "!"} or "=" in words[0]):
            words = words[1:]
        if not words or words[0].rpartition("/")[2] not in _MANAGERS:
            continue
        manager, arguments = words[0].rpartition("/")[2], words[1:]
        verbs = [word for word in arguments if not word.startswith("-")]
        names = verbs[1:] if verbs[:1] in (["install"], ["add"]) else []
        yield manager, [_VERSIONS.sub("", name) for name in names if "$" not in name]


def _is_installed(package: str) -> bool:
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        check=False,
    )
    return answer.stdout == b"installed"
