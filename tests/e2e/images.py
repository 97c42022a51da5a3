"""Images as CI's jobs make and push them, by the sandbox: without BuildKit and without skopeo."""

from __future__ import annotations

import json
import re
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sandbox.aws.client import client
from sandbox.containers.build import build
from sandbox.containers.layers import write_archive
from sandbox.containers.oci import MANIFEST_TYPE, digest_of, hex_of, parse_reference
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.settings import Settings

_LITERAL = re.compile(r'\$\{"([$%])"\}')


def bake(settings: Settings, definition: Path, folder: Path) -> None:
    """Build and write what a definition describes, as `docker buildx bake` does.

    Args:
        settings: The sandbox.
        definition: Its file.
        folder: Folder in which the build is run.

    Raises:
        SandboxError: An image can't be built.
    """
    document = json.loads(definition.read_text())
    for name in document["group"]["default"]["targets"]:
        target = document["target"][name]
        context = folder / _evaluated(target["context"])
        store = ImageStore(settings.home / "images")
        image = build(
            context / _evaluated(target["dockerfile"]),
            context,
            store=store,
            build_args={key: _evaluated(value) for key, value in target["args"].items()},
            labels={key: _evaluated(value) for key, value in target["labels"].items()},
            target=_evaluated(target["target"]) if "target" in target else None,
        )
        [output] = target["output"]
        kind, _, destination = output.partition(",dest=")
        assert kind == "type=oci", output
        archive(store, image, folder / destination)
        # A build leaves no image anywhere but in its archive.
        store.delete(image.digest)
        store.collect_garbage()


def _evaluated(text: str) -> str:
    """Return the value of a text without expressions but those of single characters."""
    assert not re.search(r"[$%]\{", _LITERAL.sub("", text)), f"an expression: {text}"
    return _LITERAL.sub(r"\1", text)


def archive(store: ImageStore, image: StoredImage, path: Path) -> None:
    """Write an image as an archive in OCI's layout."""
    manifest = json.loads(image.manifest)
    index = {
        "schemaVersion": 2,
        "manifests": [
            {"mediaType": MANIFEST_TYPE, "digest": image.digest, "size": len(image.manifest)}
        ],
    }
    with tarfile.open(path, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", json.dumps(index).encode())
        _add(tar, _blob(image.digest), image.manifest)
        digest = manifest["config"]["digest"]
        _add(tar, _blob(digest), (store.root / "blobs" / hex_of(digest)).read_bytes())
        for digest in dict.fromkeys(layer["digest"] for layer in manifest["layers"]):
            layer = store.layer(digest)
            assert layer is not None, digest
            with TemporaryFile() as file:
                write_archive(layer.path, file)
                info = tarfile.TarInfo(_blob(digest))
                info.size = file.tell()
                file.seek(0)
                tar.addfile(info, file)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, BytesIO(content))


def _blob(digest: str) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def skopeo(arguments: list[str]) -> None:
    """Push an archive to the sandbox's registry: ``copy … oci-archive:FILE docker://REPO:TAG``."""
    command, *options, source, destination = arguments
    assert command == "copy", arguments
    assert {"--all", "--preserve-digests"} <= set(options), "another digest would be pushed"
    with tarfile.open(source.removeprefix("oci-archive:")) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None, name
            return file.read()

        [described] = json.loads(read("index.json"))["manifests"]
        manifest = read(_blob(described["digest"]))
        config = json.loads(read(_blob(json.loads(manifest)["config"]["digest"])))
    assert digest_of(manifest) == described["digest"]
    settings = Settings()
    assert _store(settings, manifest, config) == described["digest"]
    tag = parse_reference(destination.removeprefix("docker://"))
    client(settings, "ecr").put_image(
        repositoryName=tag.repository.partition("/")[2],
        imageManifest=manifest.decode(),
        imageManifestMediaType=MANIFEST_TYPE,
        imageTag=tag.tag,
        imageDigest=described["digest"],
    )


def _store(settings: Settings, manifest: bytes, config: dict[str, Any]) -> str:
    """Put an image into the store, which has its layers of the build; return its digest."""
    store = ImageStore(settings.home / "images")
    layers = [store.layer(layer["digest"]) for layer in json.loads(manifest)["layers"]]
    del config["rootfs"]
    return store.put(config, [layer for layer in layers if layer is not None])


def is_in_registry(settings: Settings, image: str) -> bool:
    """Return True if the registry still has an image: ``<registry>/<name>@sha256:<digest>``."""
    name, _, digest = image.partition("/")[2].partition("@")
    kept = client(settings, "ecr").describe_images(repositoryName=name)["imageDetails"]
    return digest in {one["imageDigest"] for one in kept}


if __name__ == "__main__":
    skopeo(sys.argv[1:])
