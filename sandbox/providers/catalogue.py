"""The stand-ins that the server offers: each a ``base.Provider`` made of the settings."""

from __future__ import annotations

from sandbox.aws.identity import REGION
from sandbox.containers.store import ImageStore
from sandbox.providers.aws.clients import Clients
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.base import Provider
from sandbox.providers.docker_build.image import DockerBuildProvider
from sandbox.settings import PROJECT_ROOT, Settings


def stand_ins(settings: Settings) -> tuple[Provider, ...]:
    """One stand-in for each plugin of the program."""
    images = ImageStore(settings.home / "images")
    return (
        AwsProvider(settings.aws_endpoint, REGION),
        DockerBuildProvider(images, Clients(settings.aws_endpoint, REGION), PROJECT_ROOT),
    )
