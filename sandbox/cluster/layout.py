"""Paths, ports and identities of the cluster's processes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sandbox.settings import CLUSTER_NAME, Settings


class Port(int, Enum):
    """Ports on ``settings.control_plane``; Kubernetes' defaults where there are any."""

    ETCD_CLIENT = 2379
    ETCD_PEER = 2380
    METRICS_SERVER = 4443
    API_SERVER = 6443
    EXTERNAL_SECRETS_METRICS = 8080
    EXTERNAL_SECRETS_HEALTH = 8082
    CONTROLLER_MANAGER = 10257
    SCHEDULER = 10259


class Identity(Enum):
    """Clients of the API server: common name and organisations of their certificates.

    Kubernetes' built-in roles are bound to the names of its own components; the other names are
    bound in ``manifests/``.
    """

    ADMIN = ("sandbox-admin", "system:masters")
    CONTROLLER_MANAGER = "system:kube-controller-manager"
    SCHEDULER = "system:kube-scheduler"
    NODE = (f"system:node:{CLUSTER_NAME}", "system:nodes")
    LOAD_BALANCER = "aws-load-balancer-controller"
    EXTERNAL_SECRETS = "external-secrets"
    METRICS_SERVER = "metrics-server"
    NETWORK_POLICY = "network-policy"

    def __init__(self, common_name: str, *organisations: str) -> None:
        self.common_name = common_name
        self.organisations = organisations

    @property
    def file_name(self) -> str:
        """Name for files: ``load-balancer``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Layout:
    """Files of one cluster.

    A ``.pem`` file holds a certificate and its key, so that a kill can't leave one without the
    other.
    """

    settings: Settings

    @property
    def folder(self) -> Path:
        """Folder of all the cluster's files."""
        return self.settings.home / "cluster"

    @property
    def certificates(self) -> Path:
        """Folder of the certificates and keys."""
        return self.folder / "pki"

    @property
    def etcd_data(self) -> Path:
        """Folder of etcd's data, all objects of the cluster."""
        return self.folder / "etcd"

    @property
    def authority(self) -> Path:
        """Certificate of the cluster's authority, which all clients trust."""
        return self.certificates / "ca.crt"

    @property
    def front_proxy_authority(self) -> Path:
        """Authority by which extension API servers authenticate the API server."""
        return self.certificates / "front-proxy-ca.crt"

    @property
    def service_account_key(self) -> Path:
        """Key that signs service accounts' tokens."""
        return self.certificates / "service-accounts.key"

    def pair(self, name: str) -> Path:
        """Return the file with the certificate and key of ``name``."""
        return self.certificates / f"{name}.pem"

    def kubeconfig(self, identity: Identity) -> Path:
        """Return the path of the kubeconfig of ``identity``."""
        if identity is Identity.ADMIN:
            return self.settings.kubeconfig
        return self.folder / "kubeconfigs" / f"{identity.file_name}.kubeconfig"

    @property
    def kubelet_pair(self) -> Path:
        """Certificate and key of the kubelet's API."""
        return self.pair("kubelet")

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.settings.control_plane}:{Port.API_SERVER.value}"
