"""The container's ``/dev``, ``/sys`` and the parts of ``/proc`` that no container may change.

Part of the launcher; see ``kernel.py`` for why it imports so little.
"""

from __future__ import annotations

import os

from sandbox.containers import kernel

_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")


def populate(devices: int, system: int) -> None:
    """Fills ``/dev`` from the machine's (a descriptor of it) and shows its ``/sys``."""
    machine = f"/proc/self/fd/{devices}"
    flags = kernel.MS_NOSUID | kernel.MS_NOEXEC
    kernel.mount("tmpfs", "/dev", "tmpfs", flags, "mode=0755")
    for name in _NODES:
        os.close(os.open(f"/dev/{name}", os.O_WRONLY | os.O_CREAT, 0o666))
        kernel.mount(f"{machine}/{name}", f"/dev/{name}", flags=kernel.MS_BIND)
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/pts", 0o755)
    kernel.bind(f"{machine}/pts", "/dev/pts", read_only=False)
    os.mkdir("/dev/shm", 0o1777)  # noqa: S108 - the container's own
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", flags | kernel.MS_NODEV, "mode=1777")  # noqa: S108
    kernel.bind(f"/proc/self/fd/{system}", "/sys", read_only=True)
    for name in _READ_ONLY_PROC:
        path = f"/proc/{name}"
        if os.path.exists(path):
            kernel.bind(path, path, read_only=True)
