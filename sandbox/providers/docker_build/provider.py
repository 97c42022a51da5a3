"""The stand-in for the docker-build plugin, with the one type that the program uses."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from sandbox.containers.store import ImageStore
from sandbox.providers.attachments import plugin_version
from sandbox.providers.aws.clients import Clients
from sandbox.providers.base import Provider
from sandbox.providers.docker_build.image import Image, Workshop
from sandbox.providers.schema import Schema
from sandbox.providers.values import Properties


class DockerBuildProvider(Provider):
    """Builds on this machine and pushes to the ECR at one endpoint."""

    name = "docker-build"
    version = plugin_version("docker-build")
    # ``host`` and ``registries`` mean a daemon and passwords that the sandbox has not.
    settings: ClassVar[Schema] = {}

    def __init__(self, store: ImageStore, aws: Clients, project: Path) -> None:
        """Builds into ``store``; ``project`` is where an unknown engine's program lies."""
        self.resources = {"docker-build:index:Image": Image(Workshop(store, aws, project))}
        self.functions = {}

    @override
    async def configure(self, settings: Properties) -> None:
        return None
