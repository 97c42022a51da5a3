"""Command lines of etcd, the API server, its controllers, the scheduler and metrics-server.

Flags that differ from Kubernetes' defaults are set as on EKS, or for one machine with one node and
a few namespaces; a comment gives the reason of each.
"""

from __future__ import annotations

import yaml

from sandbox.cluster.layout import Identity, Layout, Port
from sandbox.settings import OIDC_ISSUER
from sandbox.system import write_atomically
from sandbox.tools import Tools

SERVICE_RANGE = "10.100.0.0/16"
"""Range of Services' cluster addresses, as on EKS."""

API_AUDIENCE = "https://kubernetes.default.svc"
"""Audience of service accounts' own tokens, as on EKS."""

# Persistent volumes, cloud providers, certificates of joining nodes and devices don't exist
# here, and their controllers take memory. All controllers of objects that a preview can have
# run.
_CONTROLLERS_OFF = (
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "cloud-node-lifecycle-controller",
    "device-taint-eviction-controller",
    "ephemeral-volume-controller",
    "node-ipam-controller",
    "node-route-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-expander-controller",
    "podcertificaterequest-cleaner-controller",
    "resourceclaim-controller",
    "service-lb-controller",
    "storage-version-migrator-controller",
    "volumeattributesclass-protection-controller",
)

_NO_WAITING = (
    # There is only one.
    "--leader-elect=false",
    # The default of 20 a second delays the creation and deletion of namespaces.
    "--kube-api-qps=200",
    "--kube-api-burst=400",
)


def etcd(layout: Layout, tools: Tools) -> tuple[str, ...]:
    """Return the command line of etcd: one member, which requires a certificate of the cluster.

    Writes are synced to the disk. A killed process would lose nothing without that, but a crashed
    machine would leave a data folder from which etcd does not start.
    """
    address = layout.settings.control_plane
    client, peer = (
        f"https://{address}:{port.value}" for port in (Port.ETCD_CLIENT, Port.ETCD_PEER)
    )
    pair, authority = layout.pair("etcd"), layout.authority
    return (
        str(tools.etcd),
        "--name=sandbox",
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=sandbox={peer}",
        *(f"--{whose}cert-file={pair}" for whose in ("", "peer-")),
        *(f"--{whose}key-file={pair}" for whose in ("", "peer-")),
        *(f"--{whose}trusted-ca-file={authority}" for whose in ("", "peer-")),
        # A single member elects itself after this time.
        "--heartbeat-interval=50",
        "--election-timeout=250",
        "--client-cert-auth",
        "--peer-client-cert-auth",
        # Entries are kept in memory for slow followers, of which there are none.
        "--snapshot-count=1000",
        "--snapshot-catchup-entries=100",
        "--log-level=warn",
    )


def api_server(layout: Layout, tools: Tools) -> tuple[str, ...]:
    """Return the command line of the API server."""
    address = layout.settings.control_plane
    return (
        str(tools.kube_apiserver),
        f"--bind-address={address}",
        # By default it uses an address of the machine's network, which may have none.
        f"--advertise-address={address}",
        f"--secure-port={Port.API_SERVER.value}",
        f"--tls-cert-file={layout.pair('kube-apiserver')}",
        f"--tls-private-key-file={layout.pair('kube-apiserver')}",
        f"--etcd-servers=https://{address}:{Port.ETCD_CLIENT.value}",
        f"--etcd-cafile={layout.authority}",
        f"--etcd-certfile={layout.pair('etcd')}",
        f"--etcd-keyfile={layout.pair('etcd')}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        *_authentication(layout),
        "--authorization-mode=Node,RBAC",
        # As on EKS; Pod Security is enabled by default.
        "--enable-admission-plugins=NodeRestriction",
        # As on EKS: each namespace's Pod Security standard limits privileged Pods.
        "--allow-privileged=true",
        f"--kubelet-client-certificate={layout.pair('kubelet-client')}",
        f"--kubelet-client-key={layout.pair('kubelet-client')}",
        f"--kubelet-certificate-authority={layout.authority}",
        "--kubelet-preferred-address-types=InternalIP",
        *_behind_front_proxy(layout),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={layout.pair('front-proxy')}",
        f"--proxy-client-key-file={layout.pair('front-proxy')}",
        # A namespace is emptied by one deletecollection request per kind.
        "--delete-collection-workers=4",
        "--profiling=false",
    )


def _behind_front_proxy(layout: Layout) -> tuple[str, ...]:
    """Return the flags by which extension API servers recognise the API server and its users."""
    return (
        f"--requestheader-client-ca-file={layout.front_proxy_authority}",
        "--requestheader-allowed-names=front-proxy-client",
    )


def _authentication(layout: Layout) -> tuple[str, ...]:
    return (
        f"--client-ca-file={layout.authority}",
        f"--authentication-config={_authentication_file(layout)}",
        f"--service-account-issuer={OIDC_ISSUER}",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        f"--api-audiences={API_AUDIENCE}",
    )


def _authentication_file(layout: Layout) -> str:
    """Write a file that permits anonymous clients the health checks, and nothing else."""
    path = layout.folder / "authentication.yaml"
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": True,
            "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")],
        },
    }
    write_atomically(path, yaml.safe_dump(document, sort_keys=False))
    return str(path)


def controller_manager(layout: Layout, tools: Tools) -> tuple[str, ...]:
    """Return the command line of Kubernetes' controllers."""
    off = (f"-{name}" for name in _CONTROLLERS_OFF)
    return (
        str(tools.kube_controller_manager),
        *_as_client(layout, Identity.CONTROLLER_MANAGER, Port.CONTROLLER_MANAGER),
        *_NO_WAITING,
        f"--controllers={','.join(['*', *off])}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={layout.service_account_key}",
        f"--root-ca-file={layout.authority}",
        # A demonstration should not wait 15 s for another Pod, nor 5 min for one fewer.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-downscale-stabilization=30s",
    )


def scheduler(layout: Layout, tools: Tools) -> tuple[str, ...]:
    """Return the command line of the scheduler."""
    return (
        str(tools.kube_scheduler),
        *_as_client(layout, Identity.SCHEDULER, Port.SCHEDULER),
        *_NO_WAITING,
    )


def metrics_server(layout: Layout, tools: Tools) -> tuple[str, ...]:
    """Return the command line of metrics-server, which reads Pods' usage from the kubelet."""
    return (
        str(tools.program("metrics-server")),
        *_as_client(layout, Identity.METRICS_SERVER, Port.METRICS_SERVER),
        *_behind_front_proxy(layout),
        "--kubelet-preferred-address-types=InternalIP",
        # The shortest resolution that it accepts, with the longest timeout that fits.
        "--metric-resolution=10s",
        "--kubelet-request-timeout=9s",
    )


def _as_client(layout: Layout, identity: Identity, port: Port) -> tuple[str, ...]:
    kubeconfig = layout.kubeconfig(identity)
    return (
        f"--kubeconfig={kubeconfig}",
        f"--bind-address={layout.settings.control_plane}",
        f"--secure-port={port.value}",
        f"--tls-cert-file={layout.pair('control-plane')}",
        f"--tls-private-key-file={layout.pair('control-plane')}",
        f"--client-ca-file={layout.authority}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--authentication-skip-lookup=true",
        "--profiling=false",
    )
