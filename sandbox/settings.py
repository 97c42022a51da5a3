"""Settings of a sandbox: its folder, its loopback subnet and its ports.

Two sandboxes run side by side if their folder, subnet and port differ; the end-to-end tests
use their own, so that they never touch a person's.
"""

from __future__ import annotations

import ipaddress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent

CLUSTER_NAME = "sandbox"
"""Name of the EKS cluster, of the kubeconfig's context, and of the one node."""

OIDC_ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/5A4D80C5B0A04E5C9F1D2B7E6C3A9F10"
"""Issuer of the service accounts' tokens, in the form that EKS uses.

The API server writes it into each token, EKS returns it in the cluster's description, and
IAM roles for service accounts (IRSA) trust it.
"""


def _loopback_16(value: str) -> str:
    network = ipaddress.IPv4Network(value)
    taken = ipaddress.IPv4Network("127.0.0.0/16")
    if network.prefixlen != taken.prefixlen or not network.is_loopback or (network == taken):
        msg = f"expected a /16 inside 127.0.0.0/8 other than 127.0.0.0/16, got {value}"
        raise ValueError(msg)
    return value


class Settings(BaseSettings):
    """Settings from environment variables named ``SANDBOX_<NAME>``.

    Attributes:
        home: Folder of all state (``SANDBOX_HOME``, default ``.sandbox`` in the checkout).
        cache: Folder of the built tools, shared by every checkout
            (``SANDBOX_CACHE``, default ``~/.cache/preview-sandbox``).
        subnet: A /16 of loopback addresses (``SANDBOX_SUBNET``). The third octet of an
            address is 0 for the control plane and AWS, 1-9 for databases, 10-255 for Pods.
        http_port: Port on 127.0.0.1 of the load balancer (``SANDBOX_HTTP_PORT``).
        domain: Domain of the previews' names (``SANDBOX_DOMAIN``); a browser resolves
            any name below ``localhost`` to this machine.
        seed_rows: Number of rows generated in staging (``SANDBOX_SEED_ROWS``).
        builder: What builds images (``SANDBOX_BUILDER``): ``own`` is the sandbox, ``docker``,
            ``podman`` and ``buildah`` are programs that must be there, and ``auto`` is one of
            these if it works here.
    """

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True)

    home: Path = PROJECT_ROOT / ".sandbox"
    cache: Path = Path("~/.cache/preview-sandbox")
    subnet: Annotated[str, AfterValidator(_loopback_16)] = "127.42.0.0/16"
    http_port: int = Field(default=8080, ge=1, le=65535)
    domain: str = "preview.localhost"
    seed_rows: int = Field(default=100_000, ge=1)
    builder: Literal["auto", "own", "docker", "podman", "buildah"] = "auto"

    def model_post_init(self, _context: object, /) -> None:
        """Make both folders absolute, so that a later ``chdir`` does not change them."""
        object.__setattr__(self, "home", self.home.expanduser().resolve())
        object.__setattr__(self, "cache", self.cache.expanduser().resolve())

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables from which another process reads these settings."""
        return {
            f"SANDBOX_{name.upper()}": str(getattr(self, name)) for name in type(self).model_fields
        }

    @cached_property
    def network(self) -> ipaddress.IPv4Network:
        """The sandbox's loopback network."""
        return ipaddress.IPv4Network(self.subnet)

    def address(self, third: int, fourth: int) -> str:
        """Return the address ``127.<second>.<third>.<fourth>`` of this sandbox."""
        return str(self.network.network_address + third * 256 + fourth)

    @property
    def control_plane(self) -> str:
        """Address of etcd, the Kubernetes API server, its controllers and External Secrets."""
        return self.address(0, 1)

    @property
    def aws_address(self) -> str:
        """Address of the emulated AWS APIs."""
        return self.address(0, 2)

    @property
    def aws_endpoint(self) -> str:
        """URL of the emulated AWS APIs."""
        return f"http://{self.aws_address}:4566"

    @property
    def node_address(self) -> str:
        """Address of the node's kubelet API."""
        return self.address(0, 3)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, with one context named ``sandbox``."""
        return self.home / "kubeconfig"

    @property
    def logs(self) -> Path:
        """Folder of the log files, one for each process of the sandbox."""
        return self.home / "logs"

    @property
    def python_environment(self) -> Path:
        """The project's virtual environment."""
        return PROJECT_ROOT / ".venv"
