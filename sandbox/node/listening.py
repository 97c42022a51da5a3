"""Whether one of some processes listens at an address (proc_pid_net(5))."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_LISTENING = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def listens(processes: Iterable[int], port: int) -> bool:
    """Return True if one of the processes listens on a TCP port of any loopback address."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    return bool(sockets) and any(
        descriptor in sockets for process in processes for descriptor in _descriptors(process)
    )


def _inodes(port: int) -> Iterator[str]:
    for table in _TABLES:
        if not table.exists():  # Without IPv6.
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _descriptors(process: int) -> Iterator[str]:
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):  # It was closed.
                yield str(link.readlink())
    except OSError:  # The process has ended.
        return
