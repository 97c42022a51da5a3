"""The Container Runtime Interface's service of images, from the sandbox's image store.

Of a published image of ``sandbox/containers/published.py`` its stand-in is found, by any tag or
digest.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict

from sandbox.containers import oci
from sandbox.containers.published import stand_in
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.errors import SandboxError
from sandbox.node.messages import Message, Messages


class ImageService:
    """Methods of ``runtime.v1.ImageService``; an image in the store counts as pulled."""

    def __init__(self, messages: Messages, store: ImageStore) -> None:
        self._m = messages
        self._store = store

    async def list_images(self, _request: Message) -> Message:
        tags = defaultdict(list)
        for repository, tag, digest in self._store.tags():
            tags[digest].append((repository, tag))
        return self._m.ListImagesResponse(
            images=[self._image(digest, named) for digest, named in tags.items()]
        )

    async def image_status(self, request: Message) -> Message:
        try:
            image = self._find(request.image.image)
        except SandboxError:
            return self._m.ImageStatusResponse()
        reference = request.image.image
        named = [] if _is_digest(reference) else [(oci.parse_reference(reference).repository, "")]
        answer = self._m.ImageStatusResponse(image=self._image(image.digest, named))
        user, _, _ = str((image.config.get("config") or {}).get("User") or "").partition(":")
        if user.isdigit():
            answer.image.uid.value = int(user)
        elif user:
            answer.image.username = user
        else:
            answer.image.uid.value = 0
        return answer

    async def pull_image(self, request: Message) -> Message:
        return self._m.PullImageResponse(image_ref=self._find(request.image.image).digest)

    async def remove_image(self, _request: Message) -> Message:
        # Images are deleted by the registry's lifecycle rules and the builder's cache instead.
        return self._m.RemoveImageResponse()

    async def image_fs_info(self, _request: Message) -> Message:
        usage = self._m.FilesystemUsage(
            timestamp=time.time_ns(),
            fs_id=self._m.FilesystemIdentifier(mountpoint=str(self._store.root)),
            used_bytes=self._m.UInt64Value(value=shutil.disk_usage(self._store.root.parent).used),
        )
        return self._m.ImageFsInfoResponse(image_filesystems=[usage], container_filesystems=[usage])

    def _find(self, reference: str) -> StoredImage:
        if _is_digest(reference):
            return self._store.get(reference)
        return self._store.find(stand_in(reference))

    def _image(self, digest: str, named: list[tuple[str, str]]) -> Message:
        manifest = self._store.get(digest).manifest
        return self._m.Image(
            id=digest,
            repo_tags=[f"{repository}:{tag}" for repository, tag in named if tag],
            repo_digests=[f"{repository}@{digest}" for repository, _ in named],
            # The kubelet rejects size 0, which an image without layers would have.
            size=len(manifest) + sum(layer["size"] for layer in json.loads(manifest)["layers"]),
        )


def _is_digest(reference: str) -> bool:
    return reference.startswith("sha256:")
