"""What a build step needs beyond a pod: nothing that it starts may outlive it.

A pod's process is the launcher itself; a step's is the first process of a pid namespace, and the
launcher waits for it. When the builder is killed, the launcher dies with it, the first process
with the launcher, and the kernel ends the namespace: no orphan of a ``RUN`` writes on into a
folder that the next build clears away.

Part of the launcher; see ``kernel.py`` for why it imports so little.
"""

from __future__ import annotations

import os

from sandbox.containers import kernel

_SIGNALLED = 128  # A shell's convention for "ended by signal n".


def hold_processes_together(parent: int) -> None:
    """Goes on in a child that is process 1 of a new pid namespace; the caller never returns."""
    kernel.unshare(kernel.CLONE_NEWPID)
    alive, launcher_holds = os.pipe()
    child = os.fork()
    if child:
        _follow(parent, child)
    os.close(launcher_holds)
    kernel.die_with_parent()
    os.set_blocking(alive, False)
    try:
        # Nothing is ever written: an end of file means that the launcher is gone already.
        os.read(alive, 1)
        os._exit(_SIGNALLED)
    except BlockingIOError:
        os.close(alive)


def _follow(parent: int, child: int) -> None:
    kernel.die_with_parent()
    if os.getppid() != parent:
        os._exit(_SIGNALLED)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else _SIGNALLED - code)
