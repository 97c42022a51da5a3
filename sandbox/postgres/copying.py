"""Atomic copies of data folders, with shared blocks where the file system supports that."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# ioctl by which two files share their blocks (btrfs, XFS), from linux/fs.h.
_FICLONE = 0x40049409
_CANT_SHARE = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS}
_BLOCK = 1 << 30

PARTIAL = ".partial"


def copy_file(source: Path, target: Path) -> None:
    """Copy content, mode and owner inside the kernel; blocks are shared where possible.

    Args:
        source: A regular file; if it grows meanwhile, its first size is copied.
        target: File to create or overwrite.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        status = os.fstat(reader.fileno())
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in _CANT_SHARE:
                raise
            _copy_bytes(reader.fileno(), writer.fileno(), status.st_size)
        os.fchmod(writer.fileno(), status.st_mode & 0o7777)
        _keep_owner(writer.fileno(), status)


def _copy_bytes(reader: int, writer: int, size: int) -> None:
    try:
        copied = os.copy_file_range(reader, writer, min(size, _BLOCK)) if size else 0
    except OSError as error:
        if error.errno not in _CANT_SHARE:
            raise
        os.lseek(reader, 0, os.SEEK_SET)
        copied = os.sendfile(writer, reader, None, min(size, _BLOCK))
    while copied and os.lseek(reader, 0, os.SEEK_CUR) < size:
        copied = os.copy_file_range(reader, writer, _BLOCK)


def _keep_owner(target: int, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.fchown(target, status.st_uid, status.st_gid)


def copy_tree(source: Path, target: Path, *, skip: Callable[[Path], bool]) -> None:
    """Copy a folder that may change; a file that is deleted meanwhile is left out.

    Args:
        source: Folder to copy.
        target: Folder to create; must not exist.
        skip: Called with each path relative to ``source``; True omits it.
    """
    _copy_folder(source, target)
    for folder, folders, files in os.walk(source):
        here = Path(folder).relative_to(source)
        folders[:] = [name for name in folders if not skip(here / name)]
        for name in folders:
            _copy_folder(source / here / name, target / here / name)
        for name in files:
            if not skip(here / name):
                with contextlib.suppress(FileNotFoundError):
                    copy_file(source / here / name, target / here / name)


def _copy_folder(source: Path, target: Path) -> None:
    status = source.stat()
    target.mkdir(mode=0o700)
    target.chmod(status.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)


@contextlib.contextmanager
def whole_or_nothing(target: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``target`` at the end, or is deleted on any failure.

    A kill leaves ``<target>.partial``, which the next attempt and ``remove_partial`` delete.
    """
    partial = target.with_name(target.name + PARTIAL)
    remove(partial)
    partial.mkdir(parents=True, mode=0o700)
    try:
        yield partial
        partial.rename(target)
    except BaseException:
        remove(partial)
        raise


def remove_partial(folder: Path) -> list[str]:
    """Delete the remains of killed copies in ``folder``, and return their names."""
    left = sorted(folder.glob(f"*{PARTIAL}"))
    for path in left:
        remove(path)
    return [path.name for path in left]


def remove(folder: Path) -> None:
    """Delete a folder with its content, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
