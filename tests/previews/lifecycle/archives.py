"""OCI archives, as `docker buildx bake` writes them, and as an attacker would."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Layout:
    """Files of an OCI layout with one image, and an attestation beside it.

    Attributes:
        files: Content by name; tests change it.
        digest: Digest of the image.
    """

    def __init__(self, content: bytes = b"layer") -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        images = [self.manifest(content), self.manifest(b"attestation")]
        self.image = self.add({"schemaVersion": 2, "manifests": images}, INDEX)
        self.digest: str = self.image["digest"]
        self.set_index([self.image])

    def manifest(self, content: bytes, **of_layer: Any) -> dict[str, Any]:
        """Add an image with one layer; returns its descriptor."""
        layer = self.blob(content, "application/vnd.oci.image.layer.v1.tar+gzip") | of_layer
        config = self.add({"architecture": "amd64"}, "application/vnd.oci.image.config.v1+json")
        return self.add({"schemaVersion": 2, "config": config, "layers": [layer]}, MANIFEST)

    def add(self, document: Any, media_type: str) -> dict[str, Any]:
        """Add a document as a blob; returns its descriptor."""
        return self.blob(json.dumps(document).encode(), media_type)

    def blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def set_index(self, images: list[dict[str, Any]]) -> None:
        self.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": images}).encode()

    def write(self, file: Path, *more: tarfile.TarInfo) -> Path:
        """Write the archive, with further members at its end."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(file, "w") as archive:
            for folder in ("blobs/", "blobs/sha256/"):
                member = tarfile.TarInfo(folder)
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            for name, content in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            for member in more:
                archive.addfile(member, io.BytesIO(b"\0" * member.size))
        return file
