"""The bucket of S3 in which Pulumi's self-managed backend keeps its files.

Only what Pulumi has no command for that a role of CI may run is done here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from previews.errors import PreviewsError

_STACKS = ".pulumi/stacks/"
_ENDS = (".json", ".json.gz")


@dataclass(frozen=True)
class StateFile:
    """A file in the bucket.

    Attributes:
        key: Its key.
        modified: Time of its last change.
    """

    key: str
    modified: datetime


class StateBucket:
    """The bucket that a backend's URL names: ``s3://acme-state/folder?region=eu-west-1``."""

    def __init__(self, url: str) -> None:
        """Connect at the first request.

        Args:
            url: The backend's URL.
        """
        parts = urlsplit(url)
        region = parse_qs(parts.query).get("region", [None])[0]
        self._s3 = boto3.client("s3", region_name=region)
        self._bucket = parts.netloc
        folder = parts.path.strip("/")
        self._folder = f"{folder}/" if folder else ""

    def files(self, prefix: str) -> Iterator[StateFile]:
        """Yield the files whose path in the backend begins with a prefix."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._folder}{prefix}"):
            for found in page.get("Contents", []):
                yield StateFile(found["Key"], found["LastModified"])

    def read(self, file: StateFile) -> str:
        """Return the text of a file."""
        return str(self._s3.get_object(Bucket=self._bucket, Key=file.key)["Body"].read().decode())

    def location(self, file: StateFile) -> str:
        """Return the URL of a file."""
        return f"s3://{self._bucket}/{file.key}"

    def remove(self, location: str) -> None:
        """Remove the file of a URL; one that is gone is fine."""
        key = location.removeprefix(f"s3://{self._bucket}/")
        self._s3.delete_object(Bucket=self._bucket, Key=key)

    def stacks(self, project: str | None = None) -> list[dict[str, Any]]:
        """Return the stacks as ``pulumi stack ls --json`` does, which reads each one's whole state.

        A role of CI may read the state of its own stacks alone.

        Args:
            project: Only this project's; None for all.

        Raises:
            PreviewsError: The bucket can't be listed.
        """
        prefix = f"{_STACKS}{project}/" if project else _STACKS
        try:
            files = list(self.files(prefix))
        except (BotoCoreError, ClientError) as error:
            raise PreviewsError(
                "state-bucket",
                f"list of stacks in s3://{self._bucket}",
                why=f"the bucket of Pulumi's state can't be listed: {error}",
                remedy="check PULUMI_BACKEND_URL, and that the role may `s3:ListBucket`, which"
                " `previews:github.stateBucket` grants to CI's.",
            ) from error
        return [
            {"name": f"organization/{stack}", "lastUpdate": file.modified.isoformat()}
            for file in files
            if (stack := self._stack_of(file))
        ]

    def _stack_of(self, file: StateFile) -> str:
        """Return ``<project>/<stack>`` of a state; empty for another kind of file."""
        path = file.key.removeprefix(f"{self._folder}{_STACKS}")
        for end in _ENDS:
            if path.endswith(end) and path.count("/") == 1:
                return path.removesuffix(end)
        return ""


def state_bucket(url: str) -> StateBucket | None:
    """Return the bucket of a backend; None for one that is no bucket of S3."""
    return StateBucket(url) if urlsplit(url).scheme == "s3" else None
