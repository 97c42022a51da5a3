"""What an earlier node process left behind: processes, folders and log files."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Collection
from pathlib import Path

_LOG = logging.getLogger(__name__)


def end_processes(pods: Path) -> int:
    """End processes of containers that outlived the node process; return how many.

    The kernel ends a container's first process with the node, but not what that one
    started. Each of them sees files of its Pod's folder in its mount namespace, whose
    name is the Pod's uid: nobody else's processes do.
    """
    ended = sum(end_processes_seeing(f"/{pods.name}/{uid}/") for uid in _names(pods))
    if ended:
        _LOG.warning("ended %d processes that an earlier node process left", ended)
    return ended


def end_processes_seeing(folder: str) -> int:
    """End the processes that have something of a folder mounted; return how many.

    Args:
        folder: Part of its path, from slash to slash, that no other folder has.
    """
    ended: set[int] = set()
    # What one of them forks during a look is there in the next.
    while seen := _seeing(folder) - ended:
        for pid in seen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= seen
    return len(ended)


def remove_folders(pods: Path, *, keep: Collection[str]) -> None:
    """Remove the folders of Pods that exist no more."""
    for name in _names(pods) - set(keep):
        shutil.rmtree(pods / name, ignore_errors=True)


def _names(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return set()


def _seeing(folder: str) -> set[int]:
    pids = {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}
    return {pid for pid in pids - {os.getpid()} if _sees(pid, folder)}


def _sees(pid: int, folder: str) -> bool:
    try:
        with Path(f"/proc/{pid}/mountinfo").open() as file:
            # Field 4 is the mounted folder within its file system (proc_pid_mountinfo(5)).
            return any(folder in line.split()[3] for line in file)
    except OSError:
        return False
