"""Certificates and kubeconfigs of the cluster's processes."""

from __future__ import annotations

import base64
import fcntl
from pathlib import Path

import yaml

from sandbox.cluster.certificates import Authority, Subject, ensure_signing_key
from sandbox.cluster.layout import Identity, Layout
from sandbox.settings import CLUSTER_NAME
from sandbox.system import write_atomically

# First address of the Services' range: the API server's address for Pods on EKS.
_API_SERVICE_ADDRESS = "10.100.0.1"


def ensure_credentials(layout: Layout) -> None:
    """Create the certificates and kubeconfigs that are missing or outdated.

    It can be run twice, concurrently, and killed: each file is written atomically, and a valid
    one is not changed.
    """
    layout.certificates.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (layout.certificates / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        authority = Authority.ensure(
            "Preview sandbox cluster authority", layout.pair("ca"), layout.authority
        )
        for name, subject in _servers(layout).items():
            authority.ensure_pair(layout.pair(name), subject)
        for identity in Identity:
            pair = layout.pair(identity.file_name)
            authority.ensure_pair(pair, Subject(identity.common_name, identity.organisations))
            _ensure_kubeconfig(layout, identity, pair)
        front_proxy = Authority.ensure(
            "Preview sandbox front proxy authority",
            layout.pair("front-proxy-ca"),
            layout.front_proxy_authority,
        )
        front_proxy.ensure_pair(layout.pair("front-proxy"), Subject("front-proxy-client"))
        ensure_signing_key(layout.service_account_key)


def _servers(layout: Layout) -> dict[str, Subject]:
    control_plane = layout.settings.control_plane
    return {
        "etcd": Subject("etcd", addresses=(control_plane,)),
        "kube-apiserver": Subject(
            "kube-apiserver",
            names=(
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ),
            addresses=(control_plane, _API_SERVICE_ADDRESS),
        ),
        # The API server connects to metrics-server by the name of its Service.
        "control-plane": Subject(
            "control-plane", names=("metrics-server.kube-system.svc",), addresses=(control_plane,)
        ),
        "kubelet": Subject(
            f"system:node:{CLUSTER_NAME}",
            ("system:nodes",),
            names=(CLUSTER_NAME,),
            addresses=(layout.settings.node_address,),
        ),
        # The API server's identity when it reads logs from the kubelet.
        "kubelet-client": Subject("kube-apiserver-kubelet-client", ("system:masters",)),
    }


def _ensure_kubeconfig(layout: Layout, identity: Identity, pair: Path) -> None:
    path = layout.kubeconfig(identity)
    text = _kubeconfig(layout, identity, pair)
    if not path.exists() or path.read_text() != text:
        write_atomically(path, text, mode=0o600)


def _kubeconfig(layout: Layout, identity: Identity, pair: Path) -> str:
    """Return a kubeconfig with its certificates embedded, so that it can be copied elsewhere."""
    certificate, _, key = pair.read_text().partition("-----BEGIN PRIVATE KEY-----")
    user = identity.common_name
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CLUSTER_NAME,
                "cluster": {
                    "server": layout.server,
                    "certificate-authority-data": _base64(layout.authority.read_text()),
                },
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _base64(certificate),
                    "client-key-data": _base64(f"-----BEGIN PRIVATE KEY-----{key}"),
                },
            }
        ],
        "contexts": [{"name": CLUSTER_NAME, "context": {"cluster": CLUSTER_NAME, "user": user}}],
        "current-context": CLUSTER_NAME,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
