"""What the node is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NodeConfig:
    """Plain values, so that the node's process need not load the settings' libraries.

    Attributes:
        name: Of the Node.
        home: The node's own folder.
        images: Folder of the image store.
        kubeconfig: The node's credentials.
        address: Its InternalIP, where the kubelet API listens on port 10250.
        network: Where Pods' addresses come from, above its tenth /24.
        certificate: Certificate, and its private key, that the kubelet API serves with.
        client_ca: Who signs the certificates of those who may ask the kubelet API.
        api: Where containers find the API server, as ``(host, port)``.
    """

    name: str
    home: Path
    images: Path
    kubeconfig: Path
    address: str
    network: ipaddress.IPv4Network
    certificate: Path
    client_ca: Path
    api: tuple[str, int]
    port: int = 10250

    @property
    def pods(self) -> Path:
        """A folder for each Pod, named by its uid."""
        return self.home / "pods"
