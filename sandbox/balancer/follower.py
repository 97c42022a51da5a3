"""Client of the cluster, and caches that follow the API server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.core.resource import NamespacedResource

from sandbox.balancer.model import Object, key_of
from sandbox.errors import SandboxError

_LOG = logging.getLogger(__name__)
_FIELD_MANAGER = "sandbox-balancer"
_EVERYWHERE = "*"
_RETRY_SECONDS = 0.3
# lightkube's errors for an invalid kubeconfig; not all are its own.
_UNUSABLE = (ConfigError, OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError)


def connect(kubeconfig: Path) -> AsyncClient:
    """Return a client of the current context of ``kubeconfig``.

    Raises:
        SandboxError: The file is missing, invalid or incomplete.
    """
    try:
        config = KubeConfig.from_file(kubeconfig)
        # No proxy is needed for this machine.
        return AsyncClient(config, field_manager=_FIELD_MANAGER, trust_env=False)
    except _UNUSABLE as error:
        raise SandboxError(
            f"kubeconfig {kubeconfig}",
            why=f"it can't be used: {type(error).__name__}: {error}",
            remedy="run `sandbox down` and `sandbox up`, which write it again",
        ) from error


class Follower:
    """Cache of all objects of one kind.

    It is level-triggered: after each disconnect and each 410 Gone it lists all objects again, so
    that no change is missed.

    Attributes:
        objects: Existing objects by `key_of`.
        synced: Set after the first list.
    """

    def __init__(self, client: AsyncClient, kind: Any, on_change: Callable[[], None]) -> None:
        self.objects: dict[str, Object] = {}
        self.synced = asyncio.Event()
        self._client = client
        self._kind = kind
        self._namespace = _EVERYWHERE if issubclass(kind, NamespacedResource) else None
        self._on_change = on_change

    async def run(self) -> None:
        """Follow until cancelled; survives restarts of the API server."""
        while True:
            try:
                await self._follow()
            except httpx2.HTTPError as error:
                _LOG.info("watch of %s: %r", self._kind.__name__, error)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        listed = self._client.list(self._kind, namespace=self._namespace)
        found = [each.to_dict() async for each in listed]
        self.objects = {key_of(item): item for item in found}
        self.synced.set()
        self._on_change()
        watched = self._client.watch(
            self._kind, namespace=self._namespace, resource_version=listed.resourceVersion
        )
        async for change, each in watched:
            item = each.to_dict()
            if change == "DELETED":
                self.objects.pop(key_of(item), None)
            else:
                self.objects[key_of(item)] = item
            self._on_change()
