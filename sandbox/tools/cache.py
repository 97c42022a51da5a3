"""Cache of finished tools, shared by all checkouts and runs.

A tool appears in it complete or not at all: it is made in a folder of another name, which is
renamed, under a lock that the kernel releases however its owner ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxError


class Cache:
    """Finished tools, each in its own folder below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def finished(self, folder_name: str) -> Path | None:
        """Return the folder of a finished tool, or None."""
        folder = self.root / folder_name
        return folder if folder.is_dir() else None

    def log(self, folder_name: str) -> Path:
        """Return the log of making ``folder_name``."""
        return self._subfolder("logs") / f"{folder_name}.log"

    @contextmanager
    def making(self, folder_name: str, waiting: Callable[[str], None]) -> Iterator[Path | None]:
        """Lock ``folder_name`` for making it.

        Yields an empty folder to make it in, which becomes the finished one at the end of the
        block, or None if another process finished it meanwhile. Remains of a killed run are
        deleted first.

        Args:
            folder_name: Name of the finished folder.
            waiting: Called with a message if this run waits for another one that makes it.
        """
        with self._lock(folder_name, waiting):
            if self.finished(folder_name):
                yield None
                return
            for stale in self.root.glob(f".making-{folder_name}-*"):
                shutil.rmtree(stale)
            making = self.root / f".making-{folder_name}-{os.getpid()}"
            making.mkdir()
            try:
                yield making
                making.rename(self.root / folder_name)
            finally:
                shutil.rmtree(making, ignore_errors=True)

    @contextmanager
    def _lock(self, folder_name: str, waiting: Callable[[str], None]) -> Iterator[None]:
        path = self._subfolder("locks") / folder_name
        with path.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                waiting(f"waiting for process {lock.read().strip() or 'unknown'}, which makes it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _subfolder(self, name: str) -> Path:
        folder = self.root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SandboxError(
                f"cache of tools {self.root}",
                why=f"it can't be created: {error.strerror}",
                remedy="choose a writable folder: SANDBOX_CACHE=<folder>.",
            ) from error
        return folder


def require_space(folder: Path, gib: float, what: str) -> None:
    """Check that the disk has enough free space.

    Raises:
        SandboxError: It has not; the error has the folder, and the free and the needed space.
    """
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < gib:
        raise SandboxError(
            f"disk of {folder}",
            why=f"{free:.1f} GiB are free, and building {what} needs about {gib:.0f} GiB",
            remedy="free some space (`go clean -cache` empties the compiler's), or use another"
            " disk: SANDBOX_CACHE=<folder> for the tools, GOCACHE and GOMODCACHE for the compiler.",
        )
