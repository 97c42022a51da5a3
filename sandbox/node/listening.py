"""Addresses that processes listen at (proc_pid_net(5))."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_LISTENING = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def listens(processes: Iterable[int], port: int, address: str | None = None) -> bool:
    """Return True if one of the processes listens on a TCP port.

    Args:
        processes: Their IDs.
        port: The port.
        address: The IPv4 address; None for any address of this machine.
    """
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, address)}
    return bool(sockets) and any(
        descriptor in sockets for process in processes for descriptor in _descriptors(process)
    )


def _inodes(port: int, address: str | None) -> Iterator[str]:
    # As the kernel writes it: in the machine's own order of bytes, also behind ::ffff:.
    wanted = (
        "" if address is None else f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"
    )
    for table in _TABLES:
        if not table.exists():  # Without IPv6.
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            local, _, number = fields[1].rpartition(":")
            if fields[3] == _LISTENING and int(number, 16) == port and local.endswith(wanted):
                yield fields[9]


def _descriptors(process: int) -> Iterator[str]:
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):  # It was closed.
                yield str(link.readlink())
    except OSError:  # The process has ended.
        return
