"""The Linux system calls that Python's standard library does not offer.

Imported by the launcher of a container before every start, so it imports ``ctypes`` alone:
no ``typing``, ``enum`` or ``dataclasses``, which take longer to load than a root takes to build.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 1
# The same number on every architecture: it was added after the tables were unified.
_SYS_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

SIGKILL = 9
_IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE, SIGXFSZ

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, doing: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), doing)


def unshare(flags: int) -> None:
    """Moves this process into new namespaces (``CLONE_*``)."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    """Mounts; the error names the target inside the container."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        fstype.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(data) or None,
    )
    _check(result, f"mount {fstype or 'bind'} on {target}")


def bind(source: str, target: str, *, read_only: bool) -> None:
    """Shows ``source`` and what is mounted below it at ``target``."""
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        make_read_only(target, recursive=True)


def make_read_only(target: str, *, recursive: bool) -> None:
    """Makes a mount read-only and keeps its other flags.

    ``mount_setattr`` (Linux 5.12): a remount would have to repeat the flags that a user
    namespace locks, once for each mount below.
    """
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(target),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, f"make {target} read-only")


def unmount(target: str) -> None:
    """Detaches a mount and everything below it."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"unmount {target}")


def pivot_root_here() -> None:
    """Makes the working directory the root; the old root is the working directory after."""
    number = _PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")


def _prctl(option: int, argument: int, doing: str) -> int:
    zero = ctypes.c_ulong(0)
    result: int = _libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero)
    _check(result, doing)
    return result


def die_with_parent() -> None:
    """Asks for SIGKILL when the parent dies; call after the last change of identity.

    The kernel forgets the wish whenever a process's uid, gid or capabilities change.
    """
    _prctl(_PR_SET_PDEATHSIG, SIGKILL, "set the parent-death signal")


def forbid_new_privileges() -> None:
    """No setuid program gives this process or its children more than they have."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "set no_new_privs")


def limit_capabilities(keep: int) -> None:
    """Leaves only the capabilities of the bit mask ``keep`` to what is executed next."""
    number = 0
    while True:
        try:
            held = _prctl(_PR_CAPBSET_READ, number, "read the bounding set")
        except OSError:
            return  # past the last capability that this kernel knows
        if held and not keep >> number & 1:
            _prctl(_PR_CAPBSET_DROP, number, "drop a capability")
        number += 1


def hold_capabilities(keep: int) -> None:
    """Gives up every capability of this process that is not in the bit mask ``keep``."""
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    low, high = keep & 0xFFFFFFFF, keep >> 32
    # Effective, permitted and inheritable, first of the lower 32 capabilities.
    sets = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(sets)), "drop capabilities")


def filter_system_calls(program: object) -> None:
    """Installs a seccomp filter, given a reference to its ``struct sock_fprog``."""
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    _check(_libc.prctl(_PR_SET_SECCOMP, mode, program), "filter system calls")


def set_hostname(name: str) -> None:
    """Names the machine within this UTS namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "set the host name")


def restore_signals() -> None:
    """Undoes what Python ignores at start-up, which would outlive ``exec``."""
    _libc.signal.restype = ctypes.c_void_p
    for number in _IGNORED_BY_PYTHON:
        _libc.signal(ctypes.c_int(number), None)
