"""Documents of the OCI image specification: manifests, digests and references."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.containers.layers import Layer
from sandbox.errors import SandboxError

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE = re.compile(
    r"(?P<repository>[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+(?=/))?(/[A-Za-z0-9._-]+)*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """``repository[:tag][@digest]``, the repository with its registry's host."""

    repository: str
    tag: str | None
    digest: str | None


def parse_reference(text: str) -> Reference:
    """Parse the name of an image.

    Raises:
        SandboxError: It is not a valid name.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise SandboxError(
            f"image reference {text!r}",
            why="expected repository[:tag][@sha256:<64 hexadecimal digits>]",
            remedy="correct the name in the program or the manifest",
        )
    return Reference(match["repository"], match["tag"], match["digest"])


def hex_of(digest: str) -> str:
    """Return the hexadecimal part of a digest.

    Raises:
        SandboxError: It is not a ``sha256:`` digest.
    """
    if not _DIGEST.fullmatch(digest):
        raise SandboxError(
            f"image digest {digest!r}",
            why="expected sha256: and 64 hexadecimal digits",
            remedy="pass the digest from the build's output",
        )
    return digest.removeprefix("sha256:")


def digest_of(content: bytes) -> str:
    """Return the digest of a document."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config_document(config: dict[str, Any], layers: Sequence[Layer]) -> bytes:
    """Return the image configuration with its ``rootfs``; layers are from bottom to top."""
    diff_ids = [layer.digest for layer in layers]
    return _json({**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}})


def manifest_document(config: bytes, layers: Sequence[Layer]) -> bytes:
    """Return the manifest of an image; layers are from bottom to top."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, digest_of(config), len(config)),
            "layers": [_descriptor(LAYER_TYPE, layer.digest, layer.size) for layer in layers],
        }
    )


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
