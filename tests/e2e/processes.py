"""Processes that may end while they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil


def each(processes: Iterable[psutil.Process], action: Callable[[psutil.Process], object]) -> None:
    """Do something to each process that still runs; some end with those before them."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            action(process)


def words(process: psutil.Process) -> list[str]:
    """Return the command line of a process, empty if it has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def serves_a_client(process: psutil.Process) -> bool:
    """Return True for a short-lived worker of a PostgreSQL server, also before it has its title."""
    try:
        parent = process.parent()
        return process.name() == "postgres" and parent is not None and parent.name() == "postgres"
    except psutil.NoSuchProcess:
        return False
