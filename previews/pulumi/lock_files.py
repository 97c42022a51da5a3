"""Lock files of Pulumi's self-managed backends: a folder, or a bucket of S3.

Each lock is a file, ``.pulumi/locks/organization/<project>/<stack>/<id>.json``, with its owner's
pid, user, host and time (pkg/backend/diy/lock.go). ``pulumi cancel`` removes all locks of a
stack; here only those are removed whose owner was checked.
"""

from __future__ import annotations

import json
import socket
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from previews.errors import PreviewsError
from previews.pulumi.state_bucket import StateBucket, state_bucket


class Lock(BaseModel):
    """A lock on a stack.

    Attributes:
        location: Its file, or on Pulumi Cloud the update.
        host: Host of its owner.
        holder: Its owner, as people are shown it.
        since: Time of its creation.
        run: ID of the workflow run that owns it, where the backend records one.
        pid: Its owner's process, where that is on this machine.
    """

    model_config = ConfigDict(frozen=True)

    location: str
    host: str
    holder: str
    since: datetime
    run: int | None = None
    pid: int | None = None

    def __str__(self) -> str:
        return f"{self.holder} since {self.since.isoformat(timespec='seconds')} ({self.location})"


class LockFiles(Protocol):
    """The lock files of one backend."""

    def of(self, stack: str) -> list[Lock]:
        """Return the locks on a stack."""

    def remove(self, lock: Lock) -> None:
        """Remove one lock; one that is gone is fine."""


def is_pulumi_cloud(backend: str) -> bool:
    """Return whether a backend's URL is Pulumi Cloud's, or that of a self-hosted one."""
    return urlsplit(backend).scheme in {"http", "https"}


def lock_files(backend: str, project: str) -> LockFiles | None:
    """Return the lock files of a backend; None for Pulumi Cloud, which has none.

    Args:
        backend: Its URL.
        project: Pulumi project of the stacks.

    Raises:
        PreviewsError: Locks of this kind of backend are not supported.
    """
    parts = urlsplit(backend)
    if is_pulumi_cloud(backend):
        return None
    if parts.scheme == "file":
        return _Folder(Path(f"{parts.netloc}{parts.path}").expanduser(), project)
    if bucket := state_bucket(backend):
        return _Bucket(bucket, project)
    raise PreviewsError(
        "lock-backend",
        f"locks in {parts.scheme}://…",
        why="only locks of Pulumi Cloud, S3 and a folder are supported",
        remedy="check that no update is running, then: pulumi cancel STACK.",
    )


def _folder_of(project: str, stack: str) -> str:
    return f".pulumi/locks/organization/{project}/{stack}"


class _Folder:
    """Locks in a folder on this machine."""

    def __init__(self, root: Path, project: str) -> None:
        self._root = root
        self._project = project

    def of(self, stack: str) -> list[Lock]:
        folder = self._root / _folder_of(self._project, stack)
        here = socket.gethostname()
        files = sorted(folder.glob("*.json"))
        return [_read(str(file), file.read_text(), here=here) for file in files]

    def remove(self, lock: Lock) -> None:
        """Remove a lock and its owner's unfinished files: the state is replaced atomically."""
        file = Path(lock.location)
        stack = file.parent.name
        states = self._root / ".pulumi" / "stacks" / self._project
        for half_written in states.glob(f"{stack}.json.*.tmp"):
            half_written.unlink(missing_ok=True)
        file.unlink(missing_ok=True)


class _Bucket:
    """Locks in a bucket."""

    def __init__(self, bucket: StateBucket, project: str) -> None:
        self._bucket = bucket
        self._project = project

    def of(self, stack: str) -> list[Lock]:
        return [
            _read(self._bucket.location(file), self._bucket.read(file))
            for file in self._bucket.files(f"{_folder_of(self._project, stack)}/")
        ]

    def remove(self, lock: Lock) -> None:
        self._bucket.remove(lock.location)


def _read(location: str, text: str, *, here: str = "") -> Lock:
    try:
        owner = json.loads(text)
        return Lock(
            location=location,
            host=owner["hostname"],
            holder=f"{owner['username']}@{owner['hostname']} (pid {owner['pid']})",
            since=owner["timestamp"],
            # The processes of other machines can't be checked.
            pid=owner["pid"] if owner["hostname"] == here else None,
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise PreviewsError(
            "lock-unreadable",
            f"lock {location}",
            why=f"it has another form than Pulumi writes: {text[:120]!r}",
            remedy="inspect it by hand; it is not removed automatically.",
        ) from error
