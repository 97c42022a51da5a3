"""The stand-ins that the server offers: each a ``base.Provider`` made of the settings."""

from __future__ import annotations

import os

from sandbox.containers.store import ImageStore
from sandbox.providers.aws.clients import Clients
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.base import Provider
from sandbox.providers.docker_build.provider import DockerBuildProvider
from sandbox.providers.kubernetes.provider import KubernetesProvider
from sandbox.settings import PROJECT_ROOT, Settings


def stand_ins(settings: Settings) -> tuple[Provider, ...]:
    """One stand-in for each plugin of the program."""
    region = os.environ.get("AWS_REGION", "us-east-1")
    images = ImageStore(settings.home / "images")
    return (
        AwsProvider(settings.aws_endpoint, region),
        KubernetesProvider(),
        DockerBuildProvider(images, Clients(settings.aws_endpoint, region), PROJECT_ROOT),
    )
