"""Image layers as folders in overlayfs's format, and their digests.

In an unpacked layer, a deleted file is a character device 0/0, and a folder that hides the ones
below has the attribute ``user.overlay.opaque``. The digest is that of the layer in the OCI image
specification: of an uncompressed tar archive, with ``.wh.`` files for deleted ones. Entries are
sorted and have no times, so that the same files always have the same digest.
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
        size: Size of that archive in bytes.
        path: Folder of its files.
    """

    digest: str
    size: int
    path: Path


def is_whiteout(status: os.stat_result) -> bool:
    """Return True if the entry marks the one below as deleted."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: Path) -> bool:
    """Return True if a layer's folder hides those of the same path in the layers below."""
    try:
        return os.getxattr(folder, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def hide(folder: Path) -> None:
    """Let a layer's folder hide those of the same path in the layers below."""
    os.setxattr(folder, _OPAQUE, b"y")


def whiteout(path: Path) -> None:
    """Mark the entry of a path as deleted."""
    os.mknod(path, stat.S_IFCHR, 0)


def find_in_layer(layer: Path, path: str) -> tuple[Path | None, bool]:
    """Return a resolved path's file in a layer, and True if the layer hides those below."""
    current, hides = layer, False
    for part in path.split("/") if path else ():
        current /= part
        try:
            status = current.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None, hides
        if is_whiteout(status):
            return None, True
        hides = hides or not stat.S_ISDIR(status.st_mode) or is_opaque(current)
    return current, hides


def is_empty(folder: Path) -> bool:
    """Return True if a layer changes nothing."""
    return next(folder.iterdir(), None) is None


def digest_of(folder: Path) -> tuple[str, int]:
    """Return digest and size of a layer's canonical archive, without writing it.

    Raises:
        OSError: A file can't be read.
    """
    sink = _Digest()
    write_archive(folder, cast("IO[bytes]", sink))
    return f"sha256:{sink.hash.hexdigest()}", sink.size


def write_archive(folder: Path, sink: IO[bytes]) -> None:
    """Write a layer's canonical archive.

    Raises:
        OSError: A file can't be read.
    """
    # PAX is readable by all tools, and has no limit on the length of names.
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 16) as tar:
        for path, info in _entries(folder, ""):
            if info.isreg() and info.size:
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)


class _Digest:
    """The methods of a file that ``tarfile`` needs; it only computes the digest."""

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
            continue  # A socket can't be archived, and is useless without its process.
        yield path, _describe(path, prefix + entry.name, status)
        if stat.S_ISDIR(status.st_mode):
            yield from _entries(path, f"{prefix}{entry.name}/")


def _describe(path: Path, name: str, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(status.st_mode)
    # Without root all files are the user's; in the image they are root's.
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
    """Delete a folder with all content that a container left, if it exists."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        if folder.exists():
            raise
    except PermissionError:
        # Folders of overlayfs and of containers may deny access to their owner.
        folder.chmod(0o700)
        for parent, names, _ in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)
