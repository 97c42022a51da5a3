"""An image layer as a folder: its digest, and what overlayfs writes into it.

A layer is kept unpacked, the way overlayfs wants it: a removed file is a character device 0/0, a
folder that hides the ones below carries the attribute ``user.overlay.opaque``. Its digest is the
one that the same files have as a layer of the OCI image specification: of an uncompressed tar
archive, with ``.wh.`` files for what was removed. Entries are sorted and carry no times, so that
the same files always have the same digest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

_OPAQUE = "user.overlay.opaque"
_WHITEOUT_PREFIX = ".wh."
_OPAQUE_MARKER = ".wh..wh..opq"


@dataclass(frozen=True)
class Layer:
    """A layer in the store.

    Attributes:
        digest: ``sha256:<hex>`` of its canonical archive.
        size: Bytes of that archive.
        path: Folder of its files.
    """

    digest: str
    size: int
    path: Path


def is_whiteout(status: os.stat_result) -> bool:
    """Whether the entry only says that the one below is gone."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: Path) -> bool:
    """Whether a layer's folder hides the folders of that name in the layers below."""
    try:
        return os.getxattr(folder, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def is_empty(folder: Path) -> bool:
    """Whether a layer changes nothing."""
    return next(folder.iterdir(), None) is None


def digest_of(folder: Path) -> tuple[str, int]:
    """The digest and the size of a layer's canonical archive, without writing it.

    Raises:
        OSError: When a file can't be read.
    """
    sink = _Digest()
    # PAX: readable by any tool, and without a limit on the length of names.
    with tarfile.open(
        fileobj=cast("IO[bytes]", sink), mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 16
    ) as tar:
        for path, info in _entries(folder, ""):
            if info.isreg() and info.size:
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return f"sha256:{sink.hash.hexdigest()}", sink.size


class _Digest:
    """As much of a file as ``tarfile`` needs; remembers only what digest it would have."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.size += len(data)
        return len(data)


def _entries(folder: Path, prefix: str) -> Iterator[tuple[Path, tarfile.TarInfo]]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    if prefix and is_opaque(folder):
        yield folder, tarfile.TarInfo(prefix + _OPAQUE_MARKER)
    for entry in listed:
        status = entry.stat(follow_symlinks=False)
        path = folder / entry.name
        if is_whiteout(status):
            yield path, tarfile.TarInfo(prefix + _WHITEOUT_PREFIX + entry.name)
            continue
        if stat.S_ISSOCK(status.st_mode):
            continue  # An archive can't hold one, and without its process it is nothing.
        yield path, _describe(path, prefix + entry.name, status)
        if stat.S_ISDIR(status.st_mode):
            yield from _entries(path, f"{prefix}{entry.name}/")


def _describe(path: Path, name: str, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(status.st_mode)
    # Without root every file is the user's own, which an image calls root's.
    if os.geteuid() == 0:
        info.uid, info.gid = status.st_uid, status.st_gid
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
    elif stat.S_ISFIFO(status.st_mode):
        info.type = tarfile.FIFOTYPE
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    else:
        info.size = status.st_size
    return info


def remove_tree(folder: Path) -> None:
    """Removes a folder with whatever a container left in it; one that is gone already is fine."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        if folder.exists():
            raise
    except PermissionError:
        # overlayfs's own folders, and a container's, may forbid their owner to enter them.
        folder.chmod(0o700)
        for parent, names, _ in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)
