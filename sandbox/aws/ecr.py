"""ECR on the image store: an image deleted from the registry is deleted from the machine."""

from __future__ import annotations

import hashlib
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.ecr import urls
from moto.ecr.models import ECRBackend, Image, Repository, ecr_backends

from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError

_store: list[ImageStore] = []


def install(store: ImageStore) -> None:
    """Make moto use this class, with ``store``, for its ECR backends."""
    _store[:] = [store]
    ecr_backends.backend = RegistryBackend


class RegistryBackend(ECRBackend):  # type: ignore[misc] # mypy does not follow moto
    """ECR backend that overrides moto's methods which add or delete images."""

    @property
    def _url_module(self) -> Any:
        return urls

    def put_image(
        self,
        repository_name: str,
        image_manifest: str,
        image_tag: str,
        image_manifest_mediatype: str | None = None,
        digest: str | None = None,
    ) -> Image:
        """Register an image in the store. Its digest is that of its manifest."""
        repository = self._get_repository(repository_name, None)
        actual = f"sha256:{hashlib.sha256(image_manifest.encode()).hexdigest()}"
        if digest and digest != actual:
            raise JsonRESTError(
                "ImageDigestDoesNotMatchException",
                f"The manifest's digest is {actual}, the request has {digest}",
            )
        try:
            _store[0].get(actual)
        except SandboxError as error:
            raise JsonRESTError(
                "LayersNotFoundException",
                f"The layers of {actual} have not been uploaded: {error.why}",
            ) from error
        image = super().put_image(
            repository_name, image_manifest, image_tag, image_manifest_mediatype, actual
        )
        if image_tag:
            _store[0].tag(repository.uri, image_tag, actual)
        return image

    def batch_delete_image(
        self,
        repository_name: str,
        registry_id: str | None = None,
        image_ids: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Delete images or their tags, from the store too."""
        repository = self._get_repository(repository_name, registry_id)
        before = _names(repository)
        answer: dict[str, Any] = super().batch_delete_image(repository_name, registry_id, image_ids)
        self._forget(repository, before - _names(repository))
        return answer

    def delete_repository(
        self, repository_name: str, registry_id: str | None = None, force: bool = False
    ) -> Repository:
        """Delete a repository with its images."""
        repository = super().delete_repository(repository_name, registry_id, force)
        self._forget(repository, _names(repository))
        return repository

    def _forget(self, repository: Repository, gone: set[tuple[str, str | None]]) -> None:
        kept = {digest for other in self.repositories.values() for digest, _ in _names(other)}
        for digest, tag in gone:
            if digest not in kept:
                _store[0].delete(digest)
            elif tag is not None:
                _store[0].untag(repository.uri, tag)
        if gone:
            _store[0].collect_garbage()


def _names(repository: Repository) -> set[tuple[str, str | None]]:
    """Return digest and tag of each tag and of each image."""
    return {
        (image.get_image_digest(), tag)
        for image in repository.images
        for tag in (*image.image_tags, None)
    }
