"""Processor time and memory that containers use, and keeping them within their memory limit.

By looking at the process tree instead of at a cgroup: a user who is not root gets none on most
machines, and a limit that holds on one machine only would be worth nothing. What counts is
anonymous memory, which the kernel can't take back, as it is what makes a cgroup run out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

CHECK_SECONDS = 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK_NANOSECONDS = 10**9 // os.sysconf("SC_CLK_TCK")


async def until_exceeded(pid: int, limit: int) -> None:
    """Return when the process and its descendants hold more than ``limit`` bytes."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        pids = list(_tree(pid))
        # Pages that forked processes share are counted for each: a cheap upper bound first.
        if sum(map(_anonymous, pids)) > limit and memory_bytes(pid) > limit:
            return


def memory_bytes(pid: int) -> int:
    """Anonymous memory of the process and its descendants."""
    return sum(map(_proportional, _tree(pid)))


def processor_nanoseconds(pid: int) -> int:
    """Processor time of the process, its descendants and those of them that have ended."""
    return sum(_ticks(each) for each in _tree(pid)) * _TICK_NANOSECONDS


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        for thread in os.scandir(f"/proc/{pid}/task"):
            for child in Path(thread.path, "children").read_text().split():
                yield from _tree(int(child))
    except OSError:  # It has ended meanwhile.
        return


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: proc_pid_stat(5)


def _anonymous(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _anonymous(pid)
