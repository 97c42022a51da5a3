"""Who a container's process is: its namespaces, uid, gid, capabilities and limits.

Part of the launcher; see ``kernel.py`` for why it imports so little.
"""

from __future__ import annotations

import errno
import os
import resource
import stat

from sandbox.containers import kernel

_SWITCHES = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
    ("user/max_mnt_namespaces", "0", "15000"),
)


class Refused(Exception):  # noqa: N818 - read as "the kernel refused"
    """What the machine or the caller's request does not allow, with the remedy in one line."""


def remedy(settings: str = "/proc/sys") -> str:
    """What to do about a kernel that refuses namespaces, from what its settings say."""
    for name, refuses, allows in _SWITCHES:
        try:
            with open(f"{settings}/{name}") as file:
                value = file.read().strip()
        except OSError:
            continue
        if value == refuses:
            key = name.replace("/", ".")
            return f"{key} is {value} on this machine: run `sudo sysctl -w {key}={allows}`"
    return "run as root, or in a container started with --privileged"


def refusal(error: OSError) -> Refused:
    """A clear error for namespaces or mounts that the kernel does not grant to this user."""
    return Refused(
        f"the kernel refuses the namespaces that a container needs "
        f"({error.filename}: {error.strerror}); {remedy()}"
    )


def enter_namespaces(uid: int, gid: int, *, with_hostname: bool) -> None:
    """Enters a private mount namespace, as root or else through a user namespace.

    In the user namespace the one user that the kernel lets us map is the one asked for, so the
    process sees itself as ``uid`` and its own files as its own.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    flags = kernel.CLONE_NEWNS | (kernel.CLONE_NEWUTS if with_hostname else 0)
    if outer_uid != 0:
        flags |= kernel.CLONE_NEWUSER
    try:
        kernel.unshare(flags)
        if outer_uid != 0:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{uid} {outer_uid} 1")
            _write("/proc/self/gid_map", f"{gid} {outer_gid} 1")
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EINVAL}:
            raise refusal(error) from error
        raise


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def set_limits(limits: dict[str, int]) -> None:
    """Sets soft and hard resource limits, named as in the ``resource`` module."""
    for name, value in limits.items():
        number = getattr(resource, name, None)
        if not isinstance(number, int):
            msg = f"{name} is no resource limit; expected a name such as RLIMIT_NOFILE"
            raise Refused(msg)
        try:
            resource.setrlimit(number, (value, value))
        except (OSError, ValueError) as error:
            hard = resource.getrlimit(number)[1]
            msg = f"{name}={value} is above the hard limit of {hard}: raise it, or ask for less"
            raise Refused(msg) from error


def drop_privileges(uid: int, gid: int, capabilities: int) -> None:
    """Becomes ``uid`` and ``gid`` with at most the capabilities of the given bit mask."""
    kernel.limit_capabilities(capabilities)
    if os.geteuid() != uid or os.getegid() != gid or os.geteuid() == 0:
        _become(uid, gid)
    # Under no_new_privs, executing as uid 0 gives back nothing that was not held before.
    kernel.hold_capabilities(capabilities if uid == 0 else 0)
    kernel.forbid_new_privileges()


def _become(uid: int, gid: int) -> None:
    _give_pipes(uid)
    # A user namespace that maps a single group refuses setgroups: there is nothing to give up.
    if not _setgroups_denied():
        os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _give_pipes(uid: int) -> None:
    """Lets the process open ``/dev/stdout``: a pipe belongs to whoever made it."""
    for descriptor in (0, 1, 2):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.fchown(descriptor, uid, -1)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise


def _setgroups_denied() -> bool:
    with open("/proc/self/setgroups") as file:
        return file.read().strip() == "deny"


def home_of(uid: int) -> str:
    """The home folder that the container's ``/etc/passwd`` gives ``uid``, else ``/``."""
    try:
        with open("/etc/passwd", encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.rstrip("\n").split(":")
                if fields[2:3] == [str(uid)]:
                    return "".join(fields[5:6]) or "/"
    except OSError:
        pass
    return "/"
