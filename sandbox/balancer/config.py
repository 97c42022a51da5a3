"""What the balancer is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BalancerConfig:
    """Plain values, as the node's.

    Attributes:
        kubeconfig: The controller's credentials.
        port: Where it listens, and what ``listen-ports`` has to name.
        address: Of this machine.
    """

    kubeconfig: Path
    port: int
    address: str = "127.0.0.1"
