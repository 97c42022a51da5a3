"""Images on this machine: content-addressed, with their layers unpacked.

    blobs/<hex>               manifests and configurations, as the OCI image specification has them
    layers/<hex>/root         one layer's files; layers/<hex>/size the length of its archive
    images/<hex>              an empty file for each image to keep
    tags/<repository>/<tag>   digest of a tag
    locks/, scratch/, cache/  locks of users, work in progress, results of builds

Content with a digest never changes and is created by a rename, so readers need no lock. To delete
an image deletes its mark only; ``collect_garbage`` deletes what no marked image, build cache or
running container needs. Immutable tags are enforced by the registry (ECR), not here.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sandbox.containers import oci
from sandbox.containers.cache import BuildCache
from sandbox.containers.garbage import Usage, sweep
from sandbox.containers.layers import Layer, digest_of, remove_tree
from sandbox.containers.locks import hold, try_hold
from sandbox.errors import SandboxError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/-]*")


@dataclass(frozen=True)
class StoredImage:
    """An image in the store.

    Attributes:
        digest: ``sha256:<hex>`` of the manifest.
        manifest: The manifest, byte for byte as it was digested.
        config: The image configuration, with ``config.Env``, ``config.Cmd`` and so on.
        layers: Unpacked layers, top first, as in ``ContainerSpec``.
    """

    digest: str
    manifest: bytes
    config: dict[str, Any]
    layers: tuple[Path, ...]


class ImageStore:
    """Folder of images, which several processes may use at once."""

    def __init__(self, root: Path) -> None:
        """Use the store at ``root``, which is created at the first write."""
        self.root = root
        self.cache = BuildCache(root / "cache")

    def put_layer(self, folder: Path) -> Layer:
        """Move a folder on the store's file system into it as a layer."""
        digest, size = digest_of(folder)
        home = self._layer(digest)
        if not home.exists():
            packed = folder.with_name(f"{folder.name}.layer")
            packed.mkdir()
            folder.rename(packed / "root")
            (packed / "size").write_text(str(size))
            home.parent.mkdir(parents=True, exist_ok=True)
            try:
                packed.rename(home)
            except OSError:
                # Another build stored the same layer first.
                if not home.exists():
                    raise
                remove_tree(packed)
        else:
            remove_tree(folder)
        return Layer(digest, size, home / "root")

    def layer(self, digest: str) -> Layer | None:
        """Return the layer of a digest, or None."""
        home = self._layer(digest)
        try:
            return Layer(digest, int((home / "size").read_text()), home / "root")
        except FileNotFoundError:
            return None

    def put(self, config: dict[str, Any], layers: Sequence[Layer]) -> str:
        """Store an image.

        Args:
            config: The OCI image configuration without ``rootfs``.
            layers: Layers from bottom to top, all in this store.

        Returns:
            Digest of the manifest.
        """
        config_blob = oci.config_document(config, layers)
        manifest = oci.manifest_document(config_blob, layers)
        digest = oci.digest_of(manifest)
        with self.collecting_nothing():
            missing = [layer.digest for layer in layers if self.layer(layer.digest) is None]
            if missing:
                raise SandboxError(
                    f"image {digest}",
                    why=f"its layers {', '.join(missing)} are not in the store",
                    remedy="build it again",
                )
            self._write(self._blob(oci.digest_of(config_blob)), config_blob)
            self._write(self._blob(digest), manifest)
            self._write(self._mark(digest), b"")
        return digest

    def get(self, digest: str) -> StoredImage:
        """Return the image whose manifest has a digest.

        Raises:
            SandboxError: There is none.
        """
        try:
            self._mark(digest).stat()
            return self._load(digest)
        except FileNotFoundError as error:
            raise SandboxError(
                f"image {digest}",
                why="the sandbox's store has no such image",
                remedy="build and push it, by `make push` or `pulumi up`",
            ) from error

    def find(self, reference: str) -> StoredImage:
        """Return the image of ``repository[:tag][@digest]``; the default tag is ``latest``.

        Raises:
            SandboxError: The reference is invalid, or there is no such image.
        """
        parsed = oci.parse_reference(reference)
        digest = parsed.digest or self.resolve(parsed.repository, parsed.tag or "latest")
        if digest is None:
            raise SandboxError(
                f"image {reference}",
                why="no image in the sandbox's store has that tag",
                remedy="build and push it, or correct the name in the manifest",
            )
        return self.get(digest)

    def list(self) -> tuple[str, ...]:
        """Return the digests of all images, sorted."""
        return tuple(sorted(f"sha256:{path.name}" for path in _files(self.root / "images")))

    def delete(self, digest: str) -> None:
        """Delete an image and its tags, if it exists.

        Its files stay until ``collect_garbage`` finds them unused.
        """
        for repository, tag, named in self.tags():
            if named == digest:
                self.untag(repository, tag)
        self._mark(digest).unlink(missing_ok=True)

    def delete_untagged(self, digest: str) -> None:
        """Delete an image without tags, and the files that only it uses.

        Nothing is deleted while a build runs, which may be about to push the same.
        """
        with try_hold(self._work) as exclusive:
            if exclusive and all(named != digest for _, _, named in self.tags()):
                self._mark(digest).unlink(missing_ok=True)
        self.collect_garbage()

    def tag(self, repository: str, tag: str, digest: str) -> None:
        """Set or move the tag ``repository:tag`` to an image."""
        self.get(digest)
        self._write(self._tag(repository, tag), digest.encode())

    def untag(self, repository: str, tag: str) -> None:
        """Delete a tag, if it exists."""
        self._tag(repository, tag).unlink(missing_ok=True)

    def resolve(self, repository: str, tag: str) -> str | None:
        """Return the digest of ``repository:tag``, or None."""
        try:
            return self._tag(repository, tag).read_text()
        except FileNotFoundError:
            return None

    def tags(self) -> Iterator[tuple[str, str, str]]:
        """Yield ``(repository, tag, digest)`` of each tag."""
        for repository in _files(self.root / "tags"):
            for tag in _files(repository):
                digest = self.resolve(unquote(repository.name), unquote(tag.name))
                if digest is not None:
                    yield unquote(repository.name), unquote(tag.name), digest

    @contextmanager
    def use(self, digest: str) -> Iterator[StoredImage]:
        """Keep an image's files while the block runs, even if the image is deleted."""
        with hold(self._lock(digest), shared=True):
            yield self.get(digest)

    @contextmanager
    def collecting_nothing(self) -> Iterator[None]:
        """Prevent ``collect_garbage`` while the block writes what no image refers to yet."""
        with hold(self._work, shared=True):
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder on the store's file system, deleted after the block."""
        folder = self.root / "scratch" / secrets.token_hex(8)
        with hold(folder.with_suffix(".lock")):
            folder.mkdir(parents=True)
            try:
                yield folder
            finally:
                remove_tree(folder)
                folder.with_suffix(".lock").unlink(missing_ok=True)

    def collect_garbage(self) -> tuple[str, ...]:
        """Delete the layers, manifests and abandoned files that nothing needs.

        Nothing is deleted while a build runs.

        Returns:
            Digests of the deleted layers.
        """
        with try_hold(self._work) as exclusive:
            if not exclusive:
                return ()
            usage = Usage(images=frozenset(self.list()), layers=self.cache.layers())
            return sweep(self.root, usage)

    @property
    def _work(self) -> Path:
        """Path of the lock that builds share, and that garbage collection holds exclusively."""
        return self.root / "locks" / "work"

    def _load(self, digest: str) -> StoredImage:
        manifest = self._blob(digest).read_bytes()
        described = json.loads(manifest)
        config = json.loads(self._blob(described["config"]["digest"]).read_bytes())
        layers = [self._layer(layer["digest"]) / "root" for layer in described["layers"]]
        return StoredImage(digest, manifest, config, tuple(reversed(layers)))

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        temporary.write_bytes(content)
        temporary.replace(path)

    def _blob(self, digest: str) -> Path:
        return self.root / "blobs" / oci.hex_of(digest)

    def _layer(self, digest: str) -> Path:
        return self.root / "layers" / oci.hex_of(digest)

    def _mark(self, digest: str) -> Path:
        return self.root / "images" / oci.hex_of(digest)

    def _lock(self, digest: str) -> Path:
        return self.root / "locks" / oci.hex_of(digest)

    def _tag(self, repository: str, tag: str) -> Path:
        for name in (repository, tag):
            if not _NAME.fullmatch(name):
                raise SandboxError(
                    f"tag {repository}:{tag}",
                    why=f"{name!r} is not a valid name",
                    remedy="use letters, digits, '_', '.', '-' and '/'",
                )
        return self.root / "tags" / quote(repository, safe="") / quote(tag, safe="")


def _files(folder: Path) -> list[Path]:
    """Return a folder's content without unfinished files; empty if there is no folder."""
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]  # noqa: PTH208
    except FileNotFoundError:
        return []
