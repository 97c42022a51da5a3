"""What the Pods of the node share."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from sandbox.kube.client import ApiClient
from sandbox.kube.events import Recorder
from sandbox.node.addresses import Addresses
from sandbox.node.config import NodeConfig
from sandbox.node.downward import Host
from sandbox.node.images import Images


@dataclass(frozen=True)
class NodeContext:
    """The node's own things.

    Attributes:
        config: What it was told when it started.
        client: Talks to the API server as the node.
        events: Takes Events.
        images: Where images come from.
        addresses: Hands out Pods' addresses.
        session: HTTP client of probes and hooks.
        host: What Pods may see of the node.
    """

    config: NodeConfig
    client: ApiClient
    events: Recorder
    images: Images
    addresses: Addresses
    session: aiohttp.ClientSession
    host: Host
