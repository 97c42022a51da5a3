"""Pushing to, and deleting from, the sandbox's ECR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sandbox.containers.oci import MANIFEST_TYPE, Reference
from sandbox.containers.store import Image
from sandbox.errors import SandboxError
from sandbox.providers.aws.clients import AwsError, Clients

_TAG_EXISTS: Final = frozenset({"ImageAlreadyExistsException", "ImageTagAlreadyExistsException"})
_NO_REPOSITORY: Final = "RepositoryNotFoundException"
_GONE: Final = frozenset({_NO_REPOSITORY, "ImageNotFoundException"})


async def push(aws: Clients, image: Image, tag: Reference) -> None:
    """Registers an image under a tag; one that is there already is fine.

    Raises:
        SandboxError: When there is no such repository, or the tag names another image for good.
    """
    await _check_repository(aws, tag)
    try:
        await aws.call(
            "ecr",
            "put_image",
            repositoryName=_name(tag),
            imageManifest=image.manifest.decode(),
            imageManifestMediaType=MANIFEST_TYPE,
            imageTag=tag.tag or "latest",
            imageDigest=image.digest,
        )
    except AwsError as error:
        if error.code not in _TAG_EXISTS:
            raise
        # Which of the two codes comes does not say whether it is this very image.
        named = await _find(aws, tag, {"imageTag": tag.tag or "latest"})
        if named == image.digest:
            return
        raise SandboxError(
            f"push of {tag.repository}:{tag.tag or 'latest'}",
            why=f"the tag names {named}, and the repository's tags are immutable ({error.why})",
            remedy="give every change a tag of its own (commit it), or delete the old image",
        ) from error


async def _find(aws: Clients, tag: Reference, image: Mapping[str, str]) -> str | None:
    """The digest of an image in the tag's repository, None when it is not there."""
    found = await aws.call_if_found(
        _GONE, "ecr", "describe_images", repositoryName=_name(tag), imageIds=[image]
    )
    details = found["imageDetails"] if found else []
    return str(details[0]["imageDigest"]) if details else None


async def exists(aws: Clients, tag: Reference, digest: str) -> bool:
    """Report if a tag's repository holds the image of that digest."""
    return await _find(aws, tag, {"imageDigest": digest}) is not None


async def delete(aws: Clients, tag: Reference, digest: str) -> None:
    """Deletes the image of that digest, with all its tags; one that is gone is fine.

    Raises:
        SandboxError: When the registry refuses.
    """
    answer = await aws.call_if_found(
        _GONE,
        "ecr",
        "batch_delete_image",
        repositoryName=_name(tag),
        imageIds=[{"imageDigest": digest}],
    )
    for failure in (answer or {}).get("failures", ()):
        if failure.get("failureCode") != "ImageNotFound":
            raise SandboxError(
                f"image {tag.repository}@{digest}",
                why=f"ECR did not delete it: {failure.get('failureReason', failure)}",
                remedy="see to what it names, and destroy again",
            )


async def _check_repository(aws: Clients, tag: Reference) -> None:
    found = await aws.call_if_found(
        {_NO_REPOSITORY}, "ecr", "describe_repositories", repositoryNames=[_name(tag)]
    )
    if found is None:
        raise SandboxError(
            f"push to {tag.repository}",
            why=f"ECR has no repository {_name(tag)!r}",
            remedy="bring staging up, which makes it, or correct the image's tags",
        )
    address = found["repositories"][0]["repositoryUri"]
    if address != tag.repository:
        raise SandboxError(
            f"push to {tag.repository}",
            why=f"the sandbox's repository of that name is {address}",
            remedy="push to the repository's URL as ECR gives it",
        )


def _name(tag: Reference) -> str:
    return tag.repository.partition("/")[2]
