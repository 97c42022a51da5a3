"""ECR: images, known by their tags, which begin with the stack's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.stack_name import StackName
from previews.errors import PreviewsError
from previews.inventory.item import Finder, Item

if TYPE_CHECKING:
    from boto3.session import Session

_GONE = "ImageNotFound"


class Registry(Finder):
    """Tags of images in the repository that all stacks share.

    What CI has built and pushed is in no state. So it is removed with the preview, and is no sign
    that the preview is there: it is, too, between the build and the `up`.
    """

    name = "ECR"

    def __init__(self, session: Session, repository: str, images: str) -> None:
        """Look into one repository.

        Args:
            session: The account and region.
            repository: The source's repository.
            images: Name of the images' repository.
        """
        super().__init__(repository)
        self._ecr = session.client("ecr")
        self._images = images

    def find(self) -> Iterator[Item]:
        """A thousand a page; a repository that is not there holds nothing."""
        pages = self._ecr.get_paginator("list_images")
        for page in pages.paginate(
            repositoryName=self._images,
            filter={"tagStatus": "TAGGED"},
            PaginationConfig={"PageSize": 1000},
        ):
            for image in page["imageIds"]:
                tag = image["imageTag"]
                identifier = f"{self._images}:{tag}"
                yield from self.item("image", identifier, {}, owner(tag), counts=False)

    def remove(self, item: Item) -> None:
        """Take the tag off; the image goes with its last one."""
        _, _, tag = item.id.rpartition(":")
        answer = self._ecr.batch_delete_image(
            repositoryName=self._images, imageIds=[{"imageTag": tag}]
        )
        for failure in answer["failures"]:
            if failure["failureCode"] != _GONE:
                raise PreviewsError(
                    "image-kept",
                    f"image {item.id}",
                    why=f"the registry keeps it: {failure['failureReason']}",
                    remedy="delete what refers to it, and run it again; the state is kept.",
                )


def owner(tag: str) -> str | None:
    """The preview whose image carries a tag: ``pr-42-<commit>``."""
    stack = StackName.of_image_tag(tag)
    return None if stack is None else stack.value
