"""Processor time and memory of containers, and their memory limit.

Both are measured over the process tree, since most machines give a user who is not root no
cgroup, and a limit must hold on every machine. Only anonymous memory counts: the kernel can't
reclaim it, so it is what exhausts a cgroup.
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
    """Wait until the process and its descendants use more than ``limit`` bytes."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        pids = list(tree(pid))
        # A cheap upper bound first: it counts pages that forked processes share more than once.
        if sum(map(_anonymous, pids)) > limit and memory_bytes(pid) > limit:
            return


def memory_bytes(pid: int) -> int:
    """Return the anonymous memory of the process and its descendants."""
    return sum(map(_proportional, tree(pid)))


def processor_nanoseconds(pid: int) -> int:
    """Return the processor time of the process and its descendants, ended ones included."""
    return sum(_ticks(each) for each in tree(pid)) * _TICK_NANOSECONDS


def tree(pid: int) -> Iterator[int]:
    """Yield the process and its descendants."""
    yield pid
    try:
        for thread in os.scandir(f"/proc/{pid}/task"):
            for child in Path(thread.path, "children").read_text().split():
                yield from tree(int(child))
    except OSError:  # The process has ended.
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
