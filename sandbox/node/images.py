"""Images by the references that Pods use, from the sandbox's image store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox.containers import oci
from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError


class InvalidImageNameError(Exception):
    """The text is no image reference."""


class ImageMissingError(Exception):
    """The store has no such image."""


@dataclass(frozen=True)
class NodeImage:
    """What the node needs of an image.

    Attributes:
        repository: Name without tag and digest.
        digest: ``sha256:…`` of its manifest.
        config: ``config`` of the OCI image configuration: Env, Cmd, Entrypoint, User, ….
        layers: Unpacked layers, top first.
    """

    repository: str
    digest: str
    config: Mapping[str, Any]
    layers: tuple[Path, ...]

    @property
    def image_id(self) -> str:
        """``imageID`` of a container's status."""
        return f"{self.repository}@{self.digest}"

    @property
    def env(self) -> dict[str, str]:
        """The image's own variables."""
        pairs = (entry.partition("=") for entry in self.config.get("Env") or ())
        return {name: value for name, _, value in pairs}


class Images(Protocol):
    """Where the node gets images from."""

    def find(self, reference: str) -> NodeImage:
        """The image that the reference names.

        Raises:
            InvalidImageNameError: When the text is no reference.
            ImageMissingError: When there is no such image.
        """
        ...

    def use(self, image: NodeImage) -> AbstractContextManager[Any]:
        """Keep the image's files while the block runs."""
        ...


class StoredImages:
    """The images of the sandbox's store."""

    def __init__(self, root: Path) -> None:
        self._store = ImageStore(root)

    def find(self, reference: str) -> NodeImage:
        """As ``Images.find``."""
        try:
            repository = oci.parse_reference(reference).repository
        except SandboxError as error:
            raise InvalidImageNameError(_line(error)) from error
        try:
            image = self._store.find(reference)
        except SandboxError as error:
            raise ImageMissingError(_line(error)) from error
        return NodeImage(repository, image.digest, image.config.get("config") or {}, image.layers)

    def use(self, image: NodeImage) -> AbstractContextManager[Any]:
        """As ``Images.use``."""
        return self._store.use(image.digest)


def _line(error: SandboxError) -> str:
    return f"{error.what}: {error.why}; {error.remedy}"
