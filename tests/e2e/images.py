"""The service's image as CI's own action makes it: built of a checkout, pushed, named by digest."""

from __future__ import annotations

from pathlib import Path

from sandbox.aws.client import client
from sandbox.containers.build import build
from sandbox.containers.oci import MANIFEST_TYPE
from sandbox.containers.store import ImageStore
from sandbox.settings import Settings
from tests.e2e.lifecycle import REPOSITORY


def build_and_push(
    settings: Settings, checkout: Path, repository: str, tag: str, commit: str
) -> str:
    """Build and push what ``.github/actions/image`` does; returns the digest."""
    image = build(
        checkout / "Dockerfile",
        checkout,
        store=ImageStore(settings.home / "images"),
        build_args={"COMMIT": commit, "SOURCE": f"https://github.test/{REPOSITORY}"},
    )
    ecr = client(settings, "ecr")
    ecr.put_image(
        repositoryName=repository.partition("/")[2],
        imageManifest=image.manifest.decode(),
        imageManifestMediaType=MANIFEST_TYPE,
        imageTag=tag,
        imageDigest=image.digest,
    )
    return image.digest
