"""Assembles a container's root from image layers and this machine, in the current namespace.

The root is one overlay of the image's layers over an empty skeleton. Each folder that the machine
lends (``/usr``, ``/etc``, and the interpreter at ``/usr/local``) is an overlay of its own, of the
layers' part of that folder over the machine's: overlayfs refuses ``/`` below a layer that is
stored somewhere under ``/``. Every source is opened before anything is mounted and named by its
descriptor from then on, so that it may lie below a folder that only root enters, in a path with
a colon or a comma, or under the folder that the scratch space is mounted on.

``userxattr`` everywhere: a layer written by root reads the same to a user, and the other way round.

Part of the launcher; see ``kernel.py`` for why it imports so little.
"""

from __future__ import annotations

import errno
import os
import stat

from sandbox.containers import devices, kernel
from sandbox.containers.identity import Refused, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sandbox.containers.spec import BaseImage, Launch

_SCRATCH = "/tmp"  # noqa: S108 - only the place of a mount that this process alone sees
_SKELETON = (
    *("dev", "proc", "sys", "run", "home", "opt", "srv", "mnt", "media", "usr", "etc"),
    *("var", "var/cache", "var/lib", "var/log", "var/spool"),
)
_WRITABLE_BY_ALL = ("tmp", "var/tmp")


def part_name(part: str) -> str:
    """The folder below an upper's ``diff`` that collects what is written to ``part``."""
    return part.replace("/", "-") or "root"


def parts_of(base: BaseImage) -> list[str]:
    """The folders that are overlays of their own, parents first, after the root ("")."""
    return [*base["folders"], *(["usr/local"] if base["python"] else [])]


def assemble(launch: Launch) -> None:
    """Builds the root that ``launch`` describes and makes it this process's.

    Raises:
        Refused: When the kernel grants this user no mounts, or a source does not exist.
        OSError: When a mount fails; its filename says which.
    """
    root = _Root(launch)
    root.mount_base()
    root.enter()
    root.mount_parts()
    devices.populate(root.devices, root.system)
    root.mount_volumes()
    if launch["upper"] is None:
        _name_user(launch["uid"], launch["gid"])
    root.leave_machine()
    if launch["read_only_root"]:
        for part in ("", *parts_of(launch["base"])):
            kernel.make_read_only(f"/{part}", recursive=False)


class _Root:
    """The steps in their order, and the descriptors that they share."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._base = launch["base"]
        self._layers = [_open(path) for path in launch["layers"]]
        self._sources = [_open(source) for source, _, _ in launch["mounts"]]
        self._lent = {part: _open(f"/{part}") for part in self._base["folders"]}
        if self._base["python"]:
            self._lent["usr/local"] = _open(self._base["python"])
        self.devices = _open("/dev")
        self.system = _open("/sys")
        upper = launch["upper"]
        self._upper = None if upper is None else _open(upper)

    def mount_base(self) -> None:
        """Mounts the scratch space, the root's overlay and, in it, ``/proc``."""
        try:
            kernel.mount("tmpfs", _SCRATCH, "tmpfs", kernel.MS_NODEV, "mode=0755")
        except OSError as error:
            if error.errno in {errno.EPERM, errno.EACCES}:
                raise refusal(error) from error
            raise
        self._scratch = _open(_SCRATCH)
        if self._upper is None:
            self._upper = self._scratch
        _make_skeleton(f"{_SCRATCH}/skeleton", self._base)
        _make_replacements(f"{_SCRATCH}/base", self._base)
        os.mkdir(f"{_SCRATCH}/root")
        self._overlay("", f"{_SCRATCH}/root", [*self._layers_with(""), f"{_SCRATCH}/skeleton"])
        kernel.bind("/proc", f"{_SCRATCH}/root/proc", read_only=False)

    def enter(self) -> None:
        """Makes the new root this process's; the machine's stays reachable by descriptor."""
        os.chdir(f"{_SCRATCH}/root")
        try:
            kernel.pivot_root_here()
            self._pivoted = True
        except OSError as error:
            # The machine's root is an initial RAM disk, or already a chroot.
            if error.errno != errno.EINVAL:
                raise
            os.chroot(".")
            self._pivoted = False

    def mount_parts(self) -> None:
        """Mounts what the machine lends, under the layers' part of it."""
        replacements = f"{_named(self._scratch)}/base"
        for part, lent in self._lent.items():
            lowers = self._layers_with(part)
            if _is_folder(f"{replacements}/{part}"):
                lowers.append(f"{replacements}/{part}")
            lowers.append(_named(lent))
            self._overlay(part, f"/{part}", lowers)

    def mount_volumes(self) -> None:
        """Mounts the caller's sources and temporary file systems, parents before children."""
        volumes = [
            (target, _named(source), read_only)
            for source, (_, target, read_only) in zip(
                self._sources, self._launch["mounts"], strict=True
            )
        ]
        volumes += [(target, "", False) for target in self._launch["tmpfs"]]
        for target, source, read_only in sorted(volumes):
            _make_mount_point(target, folder=not source or _is_folder(source))
            if source:
                kernel.bind(source, target, read_only=read_only)
            else:
                flags = kernel.MS_NOSUID | kernel.MS_NODEV
                kernel.mount("tmpfs", target, "tmpfs", flags, "mode=1777")

    def leave_machine(self) -> None:
        """Lets go of the machine's own root."""
        if self._pivoted:
            kernel.unmount(".")
        os.chdir("/")

    def _layers_with(self, part: str) -> list[str]:
        return [
            f"{_named(layer)}/{part}"
            for layer in self._layers
            if not part or _is_folder(f"{_named(layer)}/{part}")
        ]

    def _overlay(self, part: str, target: str, lowers: list[str]) -> None:
        assert self._upper is not None  # noqa: S101 - narrows the type: set in mount_base
        name = part_name(part)
        upper, work = (f"{_named(self._upper)}/{kind}/{name}" for kind in ("diff", "work"))
        os.makedirs(upper, 0o755, exist_ok=True)
        os.makedirs(work, 0o755, exist_ok=True)
        for _, volume, _ in self._launch["mounts"]:
            if part and volume.startswith(f"/{part}/"):
                _make_parents(upper, volume.removeprefix(f"/{part}/"), lowers)
        options = f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}"
        # volatile: nothing here has to survive a power cut, and syncing a disk takes seconds.
        kernel.mount("overlay", target, "overlay", 0, f"{options},userxattr,volatile")


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        msg = f"{path}: {error.strerror}: expected something to show in the container"
        raise Refused(msg) from error


def _named(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _is_folder(path: str) -> bool:
    # A layer's own link must not lead out of the layer; a descriptor's name is a link too.
    if "/fd/" in path and path.rpartition("/")[0].endswith("/fd"):
        return os.path.isdir(path)
    return os.path.isdir(path) and not os.path.islink(path)


def _make_skeleton(folder: str, base: BaseImage) -> None:
    os.makedirs(folder, 0o755)
    for name in dict.fromkeys([*_SKELETON, *base["folders"]]):
        os.mkdir(f"{folder}/{name}", 0o755)
    os.mkdir(f"{folder}/root", 0o700)
    for name in _WRITABLE_BY_ALL:
        os.mkdir(f"{folder}/{name}", 0o1777)
    os.symlink("/run", f"{folder}/var/run")
    for name, target in base["links"].items():
        os.symlink(target, f"{folder}/{name}")


def _make_replacements(folder: str, base: BaseImage) -> None:
    os.mkdir(folder, 0o755)
    parents = {os.path.dirname(path) for key in ("files", "symlinks") for path in base[key]}
    parents.update(os.path.dirname(path) for path in base["hidden"])
    for parent in parents:
        os.makedirs(f"{folder}/{parent}", 0o755, exist_ok=True)
    for path, content in base["files"].items():
        mode = 0o755 if content.startswith(b"#!") else 0o600 if "shadow" in path else 0o644
        descriptor = os.open(f"{folder}/{path}", os.O_WRONLY | os.O_CREAT, mode)
        os.write(descriptor, content)
        os.close(descriptor)
    for path, target in base["symlinks"].items():
        os.symlink(target, f"{folder}/{path}")
    for path in base["hidden"]:
        os.mknod(f"{folder}/{path}", stat.S_IFCHR, 0)  # overlayfs's whiteout


def _make_parents(upper: str, volume: str, lowers: list[str]) -> None:
    """Makes the folders above a volume in the upper, where a user may make them.

    A user can't write into the machine's folders, not even through an overlay.
    """
    path = ""
    for name in volume.split("/")[:-1]:
        path = f"{path}/{name}"
        if any(os.path.islink(lower + path) for lower in lowers):
            return
        os.makedirs(upper + path, 0o755, exist_ok=True)


def _make_mount_point(target: str, *, folder: bool) -> None:
    if os.path.exists(target):
        return
    os.makedirs(target if folder else os.path.dirname(target), 0o755, exist_ok=True)
    if not folder:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o644))


def _name_user(uid: int, gid: int) -> None:
    """Adds a line to ``/etc/passwd`` for a uid without one: initdb and others ask for a name."""
    with open("/etc/passwd", "rb+") as file:
        content = file.read()
        if any(line.split(b":")[2:3] == [b"%d" % uid] for line in content.splitlines()):
            return
        newline = b"" if content.endswith(b"\n") or not content else b"\n"
        file.write(newline + b"uid%d:x:%d:%d:container user:/:/sbin/nologin\n" % (uid, uid, gid))
