"""ECR: images, recognized by their tags, which begin with the stack's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.stack_name import PLATFORM_APP, AppName, StackName
from previews.errors import PreviewsError
from previews.inventory.item import AwsFinder, Item, OwnRepository

if TYPE_CHECKING:
    from boto3.session import Session

_GONE = "ImageNotFound"


class Registry(AwsFinder):
    """Tags of images in the repository that all stacks of an app share.

    An image that CI built and pushed is in no state. So it is removed with the preview, and
    does not prove that the preview exists: it also exists between the build and the `up`.
    """

    name = "ECR"

    def __init__(
        self,
        session: Session,
        repository: OwnRepository | None,
        images: str,
        app: AppName = PLATFORM_APP,
    ) -> None:
        """Search one repository.

        Args:
            session: The account and region.
            repository: As in `AwsFinder`.
            images: Name of the app's images' repository.
            app: As in `AwsFinder`.
        """
        super().__init__(repository, app)
        self._ecr = session.client("ecr")
        self._images = images

    def find(self) -> Iterator[Item]:
        """Yield tags; a request returns 1000."""
        pages = self._ecr.get_paginator("list_images")
        for page in pages.paginate(
            repositoryName=self._images,
            filter={"tagStatus": "TAGGED"},
            PaginationConfig={"PageSize": 1000},
        ):
            for image in page["imageIds"]:
                tag = image["imageTag"]
                identifier = f"{self._images}:{tag}"
                yield from self.item("image", identifier, {}, owner(tag, self._app), counts=False)

    def remove(self, item: Item) -> None:
        """Delete the tag; ECR deletes the image with its last one."""
        _, _, tag = item.id.rpartition(":")
        response = self._ecr.batch_delete_image(
            repositoryName=self._images, imageIds=[{"imageTag": tag}]
        )
        for failure in response["failures"]:
            if failure["failureCode"] != _GONE:
                raise PreviewsError(
                    "image-kept",
                    f"image {item.id}",
                    why=f"the registry did not delete it: {failure['failureReason']}",
                    remedy="delete what refers to it, and run it again; the state is kept.",
                )


def owner(tag: str, app: AppName) -> str | None:
    """Return the preview whose image has a tag in the app's repository: ``pr-42-<commit>``."""
    stack = StackName.of_image_tag(tag, app)
    return None if stack is None else stack.name
