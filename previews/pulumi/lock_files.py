"""Lock files of Pulumi's self-managed backends: a folder, or a bucket of S3.

One file a lock, ``.pulumi/locks/organization/<project>/<stack>/<id>.json``, with pid, user, host
and time of its maker (pkg/backend/diy/lock.go). ``pulumi cancel`` takes all of a stack's locks;
here exactly those are taken that were looked at.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import boto3
from pydantic import BaseModel, ConfigDict, ValidationError

from previews.errors import PreviewsError

PROJECT = "previews"


class Lock(BaseModel):
    """A lock on a stack.

    Attributes:
        where: The file, or on Pulumi Cloud the update.
        host: Its maker's host.
        holder: Its maker, for a person.
        since: When it was made.
        run: The run of a workflow that made it, where the backend itself says so.
        pid: Its maker's process, where the lock and the process are on this machine.
    """

    model_config = ConfigDict(frozen=True)

    where: str
    host: str
    holder: str
    since: datetime
    run: int | None = None
    pid: int | None = None

    def __str__(self) -> str:
        """Who, where and since when."""
        return f"{self.holder} since {self.since.isoformat(timespec='seconds')} ({self.where})"


class LockFiles(Protocol):
    """Where lock files are."""

    def of(self, stack: str) -> list[Lock]:
        """The locks on a stack."""

    def remove(self, lock: Lock) -> None:
        """Remove one lock; one that is gone is fine."""


def is_pulumi_cloud(backend: str) -> bool:
    """Whether a backend's URL is that of Pulumi Cloud, or of one that a team hosts itself."""
    return urlsplit(backend).scheme in {"http", "https"}


def lock_files(backend: str) -> LockFiles | None:
    """The lock files of a backend; None for Pulumi Cloud, which has none.

    Args:
        backend: Its URL.

    Raises:
        PreviewsError: It is of a kind whose locks are not read here.
    """
    parts = urlsplit(backend)
    if is_pulumi_cloud(backend):
        return None
    if parts.scheme == "file":
        return _Folder(Path(f"{parts.netloc}{parts.path}").expanduser())
    if parts.scheme == "s3":
        region = parse_qs(parts.query).get("region", [None])[0]
        return _Bucket(parts.netloc, parts.path.strip("/"), region)
    raise PreviewsError(
        "lock-backend",
        f"locks in {parts.scheme}://…",
        why="only those of Pulumi Cloud, of S3 and of a folder can be told apart",
        remedy="when you know that nothing runs: pulumi cancel STACK.",
    )


def _folder_of(stack: str) -> str:
    return f".pulumi/locks/organization/{PROJECT}/{stack}"


_STATES = f".pulumi/stacks/{PROJECT}"


class _Folder:
    """Locks in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, stack: str) -> list[Lock]:
        folder = self._root / _folder_of(stack)
        here = socket.gethostname()
        files = sorted(folder.glob("*.json"))
        return [_read(str(file), file.read_text(), here=here) for file in files]

    def remove(self, lock: Lock) -> None:
        """Remove a lock with what its maker was writing: the state is replaced in one step."""
        file = Path(lock.where)
        stack = file.parent.name
        for half_written in (self._root / _STATES).glob(f"{stack}.json.*.tmp"):
            half_written.unlink(missing_ok=True)
        file.unlink(missing_ok=True)


class _Bucket:
    """Locks in a bucket."""

    def __init__(self, bucket: str, prefix: str, region: str | None) -> None:
        self._s3 = boto3.client("s3", region_name=region)
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def of(self, stack: str) -> list[Lock]:
        return list(self._each(f"{self._prefix}{_folder_of(stack)}/"))

    def _each(self, prefix: str) -> Iterator[Lock]:
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                body = self._s3.get_object(Bucket=self._bucket, Key=found["Key"])["Body"]
                yield _read(f"s3://{self._bucket}/{found['Key']}", body.read().decode())

    def remove(self, lock: Lock) -> None:
        key = lock.where.removeprefix(f"s3://{self._bucket}/")
        self._s3.delete_object(Bucket=self._bucket, Key=key)


def _read(where: str, text: str, *, here: str = "") -> Lock:
    try:
        said = json.loads(text)
        return Lock(
            where=where,
            host=said["hostname"],
            holder=f"{said['username']}@{said['hostname']} (pid {said['pid']})",
            since=said["timestamp"],
            # Of another machine's processes nothing can be known here.
            pid=said["pid"] if said["hostname"] == here else None,
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise PreviewsError(
            "lock-unreadable",
            f"lock {where}",
            why=f"it is not of the form that Pulumi writes: {text[:120]!r}",
            remedy="look at it by hand; it is not broken here.",
        ) from error
