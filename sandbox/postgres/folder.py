"""Files of a server, and the path of its socket."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.postgres.configuration import PORT
from sandbox.system import write_atomically

# User and group of PostgreSQL in its official image. Without root, servers run as the sandbox's
# user.
_POSTGRES_USER = 70

# sizeof(sockaddr_un.sun_path), with the ending zero.
LONGEST_SOCKET_PATH = 107


def server_user() -> int:
    """Return the user ID of the server processes."""
    return _POSTGRES_USER if os.geteuid() == 0 else os.geteuid()


def server_group() -> int:
    """Return the group ID of the server processes."""
    return _POSTGRES_USER if os.geteuid() == 0 else os.getegid()


@dataclass(frozen=True)
class InstanceFolder:
    """Folder of a server: ``data``, ``run`` with socket and certificate, log and password.

    Attributes:
        path: The folder; that of a snapshot has ``data`` and password only.
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
        """File with the certificate and key of the address for clients."""
        return self.run / "server.pem"

    @property
    def log(self) -> Path:
        """Log of the server."""
        return self.path / "postgresql.log"

    def socket(self, port: int = PORT) -> Path:
        """Return the path of the Unix socket of a server on ``port``."""
        return self.run / f".s.PGSQL.{port}"

    @property
    def password_file(self) -> Path:
        """File with the administrator's password, which snapshots contain, as the data do."""
        return self.path / "administrator-password"

    def administrator_password(self) -> str:
        """Return the password of the role ``rdsadmin``, which only the sandbox uses."""
        return self.password_file.read_text()

    def make(self) -> None:
        """Create the files that a server needs besides its data; can be run again."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.data, self.run):
            folder.mkdir(exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            give_to_server(folder)
        if not self.password_file.exists():
            write_atomically(self.password_file, secrets.token_urlsafe(24), mode=0o600)


def give_to_server(path: Path) -> None:
    """Change the owner of a file or folder to the servers' user."""
    if os.geteuid() == 0:
        os.chown(path, server_user(), server_group())


@contextlib.contextmanager
def reachable_socket(folder: Path) -> Iterator[str]:
    """Yield a path of a socket's folder that is short enough for ``connect``.

    A socket's path may have 107 bytes, which a path in a home folder can exceed; the path of an
    open descriptor is always short.
    """
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH:
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
