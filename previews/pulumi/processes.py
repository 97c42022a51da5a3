"""Processes of this machine: their liveness, and children that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

import psutil

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def runs(pid: int) -> bool:
    """Return whether the process of a pid is running; a zombie is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_with_parent(
    death_signal: signal.Signals = signal.SIGKILL,
) -> Callable[[], None]:
    """Return a ``preexec_fn`` by which the child gets ``death_signal`` when its parent ends.

    The kernel ties this to the *thread* that starts the child, so children
    are started from threads that live as long as the process (prctl(2)).
    Linux alone has it; elsewhere a child outlives its parent.
    """
    parent = os.getpid()

    def preexec() -> None:
        if sys.platform != "linux":
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # It ended before prctl took hold.
            os.kill(os.getpid(), death_signal)

    return preexec
