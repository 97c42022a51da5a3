"""Emulator of the AWS plugin, with the types and functions that the program uses."""

from __future__ import annotations

from typing_extensions import override

from sandbox.providers.attachments import plugin_version
from sandbox.providers.aws.clients import Clients
from sandbox.providers.aws.functions import FUNCTIONS
from sandbox.providers.aws.rds_instance import INSTANCE
from sandbox.providers.aws.resources import RESOURCES
from sandbox.providers.base import Provider
from sandbox.providers.inputs import Input
from sandbox.providers.values import Properties


class AwsProvider(Provider):
    """AWS at one endpoint; no other one, and so not the real AWS, is ever called."""

    name = "aws"

    def __init__(self, endpoint: str, region: str) -> None:
        self.version = plugin_version("aws")
        self.settings = {"region": Input()}
        self.resources = {**RESOURCES, "aws:rds/instance:Instance": INSTANCE}
        self.functions = FUNCTIONS
        self._endpoint = endpoint
        self._region = region
        self._by_region: dict[str, Clients] = {}

    @override
    async def configure(self, settings: Properties) -> Clients:
        """Return the APIs of the program's region, or of the sandbox's if it has none."""
        region = settings.get("region") or self._region
        if region not in self._by_region:
            self._by_region[region] = Clients(self._endpoint, region)
        return self._by_region[region]

    @override
    async def moves(self, old: Properties, new: Properties) -> bool:
        """Return True if the region changes; setting the default explicitly is no change."""
        return (old.get("region") or self._region) != (new.get("region") or self._region)
