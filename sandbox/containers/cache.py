"""Results of earlier builds' instructions, and the folders that builds share."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.containers import locks

KEEP_SECONDS: Final = 14 * 24 * 3600
"""Time for which the result of an instruction is kept after its last use."""


@dataclass(frozen=True)
class Result:
    """Result of an instruction.

    Attributes:
        layer: Digest of the layer that it added; None if it changed no file.
    """

    layer: str | None


class BuildCache:
    """Results by key, in a folder that several builds may use at once."""

    def __init__(self, root: Path) -> None:
        """Use the cache at ``root``, which is created at the first write."""
        self._root = root

    @staticmethod
    def key(*parts: object) -> str:
        """Return the key of an instruction's result, a hash of all its inputs."""
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> Result | None:
        """Return the result of a key, or None, and mark it as used now."""
        path = self._record(key)
        try:
            record = json.loads(path.read_bytes())
            os.utime(path)
        except FileNotFoundError:
            return None
        return Result(record["layer"])

    def put(self, key: str, result: Result) -> None:
        """Store a result."""
        path = self._record(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        temporary.write_text(json.dumps({"layer": result.layer}))
        temporary.replace(path)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Lock a key, so that a second build waits for the first one's result."""
        path = self._root / "locks" / key
        with locks.hold(path):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def mount(self, name: str, owner: tuple[int, int] = (0, 0), mode: int = 0o755) -> Path:
        """Return the folder of ``RUN --mount=type=cache`` with an id.

        Args:
            name: Its id.
            owner: Uid and gid of a new folder; without root, the user's own.
            mode: Permissions of a new folder.
        """
        folder = self._mount(name)
        with locks.hold(self._root / "locks" / folder.name):
            if not folder.is_dir():
                made = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
                made.mkdir(parents=True)
                made.chmod(mode)
                if os.geteuid() == 0:
                    os.chown(made, *owner)
                made.rename(folder)
        return folder

    def mount_lock(self, name: str) -> AbstractContextManager[None]:
        """Return the lock that gives one build exclusive use of a cache mount."""
        return locks.hold(self._mount(name).with_suffix(".lock"))

    def layers(self) -> frozenset[str]:
        """Delete results that have not been used for long; return the layers of the others."""
        kept = set()
        oldest = time.time() - KEEP_SECONDS
        records = self._root / "results"
        for path in records.glob("*") if records.is_dir() else ():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
            elif not path.name.startswith("."):
                layer = json.loads(path.read_bytes())["layer"]
                kept.update([layer] if layer else [])
        return frozenset(kept)

    def _mount(self, name: str) -> Path:
        return self._root / "mounts" / hashlib.sha256(name.encode()).hexdigest()

    def _record(self, key: str) -> Path:
        return self._root / "results" / key
