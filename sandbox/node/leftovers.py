"""What an earlier node process left behind: processes, folders and log files."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

_LOG = logging.getLogger(__name__)


def end_processes(pods: Path) -> int:
    """End processes of containers that outlived the node process; return how many.

    The kernel ends a container's first process with the node, but not what that one
    started. Each of them sees files of its Pod's folder in its mount namespace, whose
    name is the Pod's uid: nobody else's processes do.
    """
    uids = _names(pods)
    if not uids:
        return 0
    ended = 0
    for pid in _pids():
        if pid != os.getpid() and _sees(pid, uids):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    if ended:
        _LOG.warning("ended %d processes that an earlier node process left", ended)
    return ended


def remove_folders(*parents: Path, keep: Collection[str]) -> None:
    """Remove the folders of Pods that exist no more."""
    for parent in parents:
        for name in _names(parent) - set(keep):
            shutil.rmtree(parent / name, ignore_errors=True)


def _names(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return set()


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def _sees(pid: int, uids: Collection[str]) -> bool:
    try:
        with Path(f"/proc/{pid}/mountinfo").open() as file:
            # Field 4 is the mounted folder within its file system (proc_pid_mountinfo(5)).
            roots = [line.split()[3] for line in file]
    except OSError:
        return False
    return any(part in uids for root in roots for part in root.split("/"))
