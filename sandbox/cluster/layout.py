"""Where the cluster keeps what, and where its processes listen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sandbox.identity import CLUSTER_NAME
from sandbox.settings import Settings


class Port(int, Enum):
    """Ports on ``settings.control_plane``, Kubernetes' own where it has them."""

    ETCD_CLIENT = 2379
    ETCD_PEER = 2380
    METRICS_SERVER = 4443
    API_SERVER = 6443
    EXTERNAL_SECRETS_METRICS = 8080
    EXTERNAL_SECRETS_HEALTH = 8082
    CONTROLLER_MANAGER = 10257
    SCHEDULER = 10259


class Identity(Enum):
    """Who talks to the API server: the certificate's common name and organisations.

    The names of Kubernetes' own components are those that its built-in roles are bound
    to; the others are bound in ``manifests/``.
    """

    ADMIN = ("sandbox-admin", "system:masters")
    CONTROLLER_MANAGER = "system:kube-controller-manager"
    SCHEDULER = "system:kube-scheduler"
    NODE = (f"system:node:{CLUSTER_NAME}", "system:nodes")
    LOAD_BALANCER = "aws-load-balancer-controller"
    EXTERNAL_SECRETS = "external-secrets"
    METRICS_SERVER = "metrics-server"

    def __init__(self, common_name: str, *organisations: str) -> None:
        self.common_name = common_name
        self.organisations = organisations

    @property
    def file_name(self) -> str:
        """A name for files: ``load-balancer``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Layout:
    """Files of one cluster.

    A ``.pem`` file holds a certificate and its key together, so that no kill can
    leave one without the other.
    """

    settings: Settings

    @property
    def folder(self) -> Path:
        """All that the cluster keeps."""
        return self.settings.home / "cluster"

    @property
    def certificates(self) -> Path:
        """Certificates and keys."""
        return self.folder / "pki"

    @property
    def etcd_data(self) -> Path:
        """Every object of the cluster."""
        return self.folder / "etcd"

    @property
    def authority(self) -> Path:
        """The certificate of the cluster's authority, which everybody trusts."""
        return self.certificates / "ca.crt"

    @property
    def front_proxy_authority(self) -> Path:
        """The authority by which extension API servers know the API server."""
        return self.certificates / "front-proxy-ca.crt"

    @property
    def service_account_key(self) -> Path:
        """Signs the service accounts' tokens."""
        return self.certificates / "service-accounts.key"

    def pair(self, name: str) -> Path:
        """Certificate and key of ``name`` in one file."""
        return self.certificates / f"{name}.pem"

    def kubeconfig(self, identity: Identity) -> Path:
        """The kubeconfig of ``identity``."""
        if identity is Identity.ADMIN:
            return self.settings.kubeconfig
        return self.folder / "kubeconfigs" / f"{identity.file_name}.kubeconfig"

    @property
    def kubelet_pair(self) -> Path:
        """What the node serves its kubelet API with."""
        return self.pair("kubelet")

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.settings.control_plane}:{Port.API_SERVER.value}"
