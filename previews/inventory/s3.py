"""S3: the bucket that an app keeps its files in."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract.stack_name import PLATFORM_APP, AppName, StackKind
from previews.errors import PreviewsError
from previews.inventory.item import AwsFinder, Item, OwnRepository, as_mapping, owner_by_name

if TYPE_CHECKING:
    from boto3.session import Session

_ACCOUNT = re.compile(r"-[0-9]{12}", re.ASCII)
_ATTEMPTS = 5
_PAUSE_SECONDS = 5
_MISSING = "NoSuchBucket"
_NO_TAGS = "NoSuchTagSet"


class S3(AwsFinder):
    """Buckets, with all that is in them."""

    name = "S3"

    def __init__(
        self, session: Session, repository: OwnRepository | None, app: AppName = PLATFORM_APP
    ) -> None:
        super().__init__(repository, app)
        self._s3 = session.client("s3")

    def find(self) -> Iterator[Item]:
        """Yield buckets; a request returns 1000, or the tags of one that a preview's name has."""
        prefix = self._app.glob(StackKind.PREVIEW).removesuffix("*")
        pages = self._s3.get_paginator("list_buckets")
        for page in pages.paginate(Prefix=prefix, PaginationConfig={"PageSize": 1000}):
            for bucket in page["Buckets"]:
                name = bucket["Name"]
                by_name = self._owner(name)
                tags = None if by_name is None else self._tags(name)
                if tags is not None:
                    yield from self.item("bucket", name, tags, by_name)

    def remove(self, item: Item) -> None:
        """Delete the bucket with all versions of its objects.

        Raises:
            PreviewsError: Something goes on writing to it.
        """
        for _ in range(_ATTEMPTS):
            try:
                self._empty(item.id)
                self._s3.delete_bucket(Bucket=item.id)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "BucketNotEmpty":
                    # A request that began before the pods ended has written another object.
                    time.sleep(_PAUSE_SECONDS)
                    continue
                if code != _MISSING:
                    raise
            return
        raise PreviewsError(
            "bucket-written",
            f"bucket {item.id}",
            why=f"it was emptied {_ATTEMPTS} times, and something still writes to it:"
            f" {self._newest(item.id)}",
            remedy="end what writes there, with a login of its own or a request of it that was"
            " signed before, and run it again.",
        )

    def _newest(self, bucket: str) -> str:
        """Return the object that was written last, and when."""
        page = self._s3.list_object_versions(Bucket=bucket)
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        newest = max(found, key=lambda one: one["LastModified"], default=None)
        if newest is None:
            return "an object that is gone now"
        return f"{newest['Key']}, written at {newest['LastModified']:%Y-%m-%d %H:%M:%S} UTC"

    def _empty(self, bucket: str) -> None:
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if not found:
                continue
            answer = self._s3.delete_objects(
                Bucket=bucket,
                Delete={
                    "Objects": [
                        {"Key": one["Key"], "VersionId": one["VersionId"]} for one in found
                    ],
                    "Quiet": True,
                },
            )
            for failure in answer.get("Errors", ()):
                raise ClientError({"Error": failure}, "DeleteObjects")

    def _owner(self, bucket: str) -> str | None:
        end = _ACCOUNT.search(bucket, len(bucket) - len("-123456789012"))
        return None if end is None else owner_by_name(bucket[: end.start()], app=self._app)

    def _tags(self, bucket: str) -> dict[str, str] | None:
        """Return a bucket's tags; None if it was deleted after it was listed."""
        try:
            return as_mapping(self._s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in {_MISSING, _NO_TAGS}:
                raise
            return None if code == _MISSING else {}
