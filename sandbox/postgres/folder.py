"""What belongs to one server on disk, and how to reach its socket."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.postgres.configuration import PORT
from sandbox.system import write_atomically

# User and group of PostgreSQL in its official image. A sandbox that does not
# run as root has its servers run as the same person.
_POSTGRES_USER = 70

# sizeof(sockaddr_un.sun_path), with the ending zero.
LONGEST_SOCKET_PATH = 107


def server_user() -> int:
    """User ID of the server processes."""
    return _POSTGRES_USER if os.geteuid() == 0 else os.geteuid()


def server_group() -> int:
    """Group ID of the server processes."""
    return _POSTGRES_USER if os.geteuid() == 0 else os.getegid()


@dataclass(frozen=True)
class InstanceFolder:
    """One server's folder: ``data``, ``run`` with socket and certificate, log and password.

    Attributes:
        path: The folder; a snapshot has the same shape, with ``data`` and password only.
    """

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.path / "data"

    @property
    def run(self) -> Path:
        """Folder of the server's Unix socket and of its certificate."""
        return self.path / "run"

    @property
    def certificate(self) -> Path:
        """Certificate and key, in one file, of the address that clients connect to."""
        return self.run / "server.pem"

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.path / "postgresql.log"

    def socket(self, port: int = PORT) -> Path:
        """The Unix socket of a server that serves ``port``."""
        return self.run / f".s.PGSQL.{port}"

    @property
    def password_file(self) -> Path:
        """The administrator's password; it goes with the data, so snapshots carry it."""
        return self.path / "administrator-password"

    def administrator_password(self) -> str:
        """Password of the role ``rdsadmin``, which only the sandbox uses."""
        return self.password_file.read_text()

    def make(self) -> None:
        """Make what a server needs before its data are there; can be run again."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.data, self.run):
            folder.mkdir(exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            give_to_server(folder)
        if not self.password_file.exists():
            write_atomically(self.password_file, secrets.token_urlsafe(24), mode=0o600)


def give_to_server(path: Path) -> None:
    """Hand a file or folder to the user that the servers run as."""
    if os.geteuid() == 0:
        os.chown(path, server_user(), server_group())


@contextlib.contextmanager
def reachable_socket(folder: Path) -> Iterator[str]:
    """A name of a socket's folder that is short enough for ``connect``.

    A socket's path may have 107 bytes, fewer than folders have that sit deep
    in a home; the way through an open descriptor is always short.
    """
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH:
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
