"""Starts a process in a container's root, without a container engine and without root.

The process that is started is the container's own: signals and exit codes are its, and it dies
with the thread that started it (``PR_SET_PDEATHSIG``), so start it from one that lives on, such
as the main thread. It is no security boundary against the person who runs it: all containers
share the machine's network and processes.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

from sandbox.containers.machine import base_image
from sandbox.containers.spec import Launch
from sandbox.errors import SandboxError

START_FAILED: Final = 128
"""Exit code of a container whose process could not be started at all."""
START_ERROR_PREFIX: Final = "sandbox-container: "
"""Begins the one line on stderr that says why it could not be started."""
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LAUNCHER = Path(__file__).with_name("launch.py")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_MAX_ID = 2**31 - 1

File = int | IO[bytes] | None


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine shown in the container.

    Attributes:
        source: What is shown.
        target: Where, absolute; made when the image has no such path.
        read_only: Whether the container may not write to it.
    """

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ContainerSpec:
    """One container's process.

    Attributes:
        layers: Unpacked image layers, top first; none is this machine's base alone.
        argv: Program, looked up in the PATH of ``env`` inside the container, and arguments.
        env: The whole environment; PATH and HOME get the usual values when absent.
        cwd: Working directory, which has to exist.
        uid: User; when the caller is not root, its own files appear to be this user's.
        gid: Group, the only one.
        read_only_root: Whether only ``mounts`` and ``tmpfs`` can be written. Otherwise writes
            go to memory and are forgotten with the process.
        mounts: Shown besides the image.
        tmpfs: Empty folders in memory, writable by all.
        rlimits: Limits by their names in ``resource``, soft and hard ("RLIMIT_NOFILE": 1024).
        hostname: Own host name; None shares the machine's.
        capabilities: Bit mask of what uid 0 may do; a pod's may nothing beyond its files.
        upper: Folder that collects what the process writes (``diff/<part>``), for builds.
    """

    layers: tuple[Path, ...]
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    read_only_root: bool = False
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    rlimits: Mapping[str, int] = field(default_factory=dict)
    hostname: str | None = None
    capabilities: int = 0
    upper: Path | None = None

    def __post_init__(self) -> None:
        """Refuses what would fail in the launcher with a worse message, or be misread there."""
        if not self.argv or not self.argv[0]:
            raise _invalid("argv", str(self.argv), "a program, and its arguments")
        texts = (*self.argv, *self.env, *self.env.values(), self.cwd)
        if any("\0" in text for text in texts):
            raise _invalid("argv, env or cwd", "a text with a NUL", "text without NUL bytes")
        for name in self.env:
            if not name or "=" in name:
                raise _invalid("env", repr(name), "names without '='")
        for what, path in (
            ("cwd", self.cwd),
            *(("tmpfs", target) for target in self.tmpfs),
            *(("mount target", mount.target) for mount in self.mounts),
        ):
            if not path.startswith("/") or ".." in path.split("/"):
                raise _invalid(what, repr(path), "an absolute path without '..'")
        for what, number in (("uid", self.uid), ("gid", self.gid)):
            if not 0 <= number <= _MAX_ID:
                raise _invalid(what, str(number), f"a number between 0 and {_MAX_ID}")
        if self.hostname is not None and not _HOSTNAME.fullmatch(self.hostname):
            raise _invalid("hostname", repr(self.hostname), "at most 64 of a-z, 0-9, '-' and '.'")


def popen(spec: ContainerSpec, *, stdout: File, stderr: File, **kw: Any) -> subprocess.Popen[bytes]:
    """Starts the container's process in a session of its own.

    Args:
        spec: What to run.
        stdout: As for ``subprocess.Popen``.
        stderr: Likewise; a container that can't be started says so here.
        **kw: Further arguments of ``subprocess.Popen``, such as ``stdin``.

    Raises:
        SandboxError: When the spec can't be honoured.
    """
    kw.setdefault("stdin", subprocess.DEVNULL)
    with _command(spec) as (argv, descriptor):
        return subprocess.Popen(
            argv,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(descriptor, *kw.pop("pass_fds", ())),
            start_new_session=True,
            env=_launcher_environment(),
            cwd="/",
            **kw,
        )


async def start(
    spec: ContainerSpec, *, stdout: File, stderr: File, **kw: Any
) -> asyncio.subprocess.Process:
    """Like ``popen``, for asyncio."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    with _command(spec) as (argv, descriptor):
        return await asyncio.create_subprocess_exec(
            *argv,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(descriptor,),
            start_new_session=True,
            env=_launcher_environment(),
            cwd="/",
            **kw,
        )


def check_machine() -> None:
    """Runs the smallest container.

    Raises:
        SandboxError: When this machine can't run containers for this user.
    """
    spec = ContainerSpec(layers=(), argv=("/bin/true",), env={})
    process = popen(spec, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=30)
    if process.returncode != 0:
        message = stderr.decode(errors="replace").strip().removeprefix(START_ERROR_PREFIX)
        why, _, remedy = message.partition("; ")
        raise SandboxError(
            "containers on this machine",
            why=why or f"/bin/true exited with {process.returncode}",
            remedy=remedy or "run as root",
        )


@contextmanager
def _command(spec: ContainerSpec) -> Iterator[tuple[list[str], int]]:
    descriptor = os.memfd_create("container")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            marshal.dump(cast("dict[str, Any]", _launch(spec)), file)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield [sys.executable, "-I", "-S", str(_LAUNCHER), str(descriptor)], descriptor
    finally:
        os.close(descriptor)


def _launch(spec: ContainerSpec) -> Launch:
    return Launch(
        base=base_image(),
        layers=[str(path.absolute()) for path in spec.layers],
        argv=list(spec.argv),
        env={"PATH": DEFAULT_PATH, **spec.env},
        cwd=spec.cwd,
        uid=spec.uid,
        gid=spec.gid,
        read_only_root=spec.read_only_root,
        mounts=[
            (str(mount.source.absolute()), os.path.normpath(mount.target), mount.read_only)
            for mount in spec.mounts
        ],
        tmpfs=[os.path.normpath(target) for target in spec.tmpfs],
        rlimits=dict(spec.rlimits),
        hostname=spec.hostname,
        capabilities=spec.capabilities,
        upper=None if spec.upper is None else str(spec.upper.absolute()),
        parent=os.getpid(),
    )


def _launcher_environment() -> dict[str, str]:
    # Some builds of Python need it to find their own library; nothing else is for the launcher.
    name = "LD_LIBRARY_PATH"
    return {name: os.environ[name]} if name in os.environ else {}


def _invalid(what: str, found: str, expected: str) -> SandboxError:
    return SandboxError(
        f"the container's {what}",
        why=f"found {found}, expected {expected}",
        remedy="correct it in the manifest or the Dockerfile that it comes from",
    )
