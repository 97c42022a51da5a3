"""Helpers for processes, files and ports of this machine."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from previews.pulumi.processes import end_with_parent, runs
from sandbox.errors import SandboxError

__all__ = [
    "ProcessIdentity",
    "end_with_parent",
    "is_listening",
    "require_free",
    "runs",
    "write_atomically",
]


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, distinguished from a later one with the same pid.

    Attributes:
        pid: Process ID.
        created: Start of the process in seconds since the epoch, from the kernel.
    """

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """Return the identity of a running process."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def read(cls, path: Path) -> ProcessIdentity | None:
        """Return the identity that ``write`` stored at ``path``; None if it can't be read."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Store the identity at ``path``, atomically."""
        write_atomically(path, json.dumps(asdict(self)))

    def is_alive(self) -> bool:
        """Return True if this very process still runs (a zombie does not)."""
        try:
            created = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return False
        return created == self.created and runs(self.pid)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` so that readers see either all of it or the old content, even after a kill."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def is_listening(address: str, port: int) -> bool:
    """Return True if a TCP connection to ``address:port`` is accepted."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0


def require_free(address: str, port: int, *, remedy: str) -> None:
    """Check that nothing listens on an address.

    Raises:
        SandboxError: Another process does; the error has its name where that is visible.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise SandboxError(
                f"port {address}:{port}",
                why=f"it is in use by {_holder(address, port)}: {error.strerror}",
                remedy=remedy,
            ) from error


def _holder(address: str, port: int) -> str:
    places = {(address, port), ("0.0.0.0", port)}  # noqa: S104 - looked for, not bound
    for connection in psutil.net_connections("tcp4"):
        if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) in places:
            if connection.pid is None:
                break
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"
