"""The service's image as CI's own action makes it: built of a checkout, pushed, named by digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.aws.client import client
from sandbox.containers.build import build
from sandbox.containers.oci import MANIFEST_TYPE, parse_reference
from sandbox.containers.store import ImageStore
from sandbox.settings import Settings
from tests.workflows.expressions import evaluate
from tests.workflows.reading import ACTIONS


def build_and_push(settings: Settings, checkout: Path, context: Mapping[str, str]) -> str:
    """Build and push as ``.github/actions/image`` does, but by the sandbox; return the digest.

    Args:
        settings: The sandbox.
        checkout: Folder to build.
        context: Values for the action's expressions.
    """
    [step] = [one for one in ACTIONS["image"]["runs"]["steps"] if one.get("id") == "build"]
    inputs = {key: evaluate(str(value), context) for key, value in step["with"].items()}
    image = build(
        checkout / inputs["file"],
        checkout / inputs["context"],
        store=ImageStore(settings.home / "images"),
        build_args=dict(line.split("=", 1) for line in inputs["build-args"].splitlines() if line),
        target=inputs["target"] or None,
    )
    tag = parse_reference(inputs["tags"])
    client(settings, "ecr").put_image(
        repositoryName=tag.repository.partition("/")[2],
        imageManifest=image.manifest.decode(),
        imageManifestMediaType=MANIFEST_TYPE,
        imageTag=tag.tag,
        imageDigest=image.digest,
    )
    return image.digest


def is_in_registry(settings: Settings, image: str) -> bool:
    """Return True if the registry still has an image: ``<registry>/<name>@sha256:<digest>``."""
    name, _, digest = image.partition("/")[2].partition("@")
    kept = client(settings, "ecr").describe_images(repositoryName=name)["imageDetails"]
    return digest in {one["imageDigest"] for one in kept}
