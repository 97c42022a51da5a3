"""The node's process, for the supervisor."""

from __future__ import annotations

import sys

from sandbox.cluster.health import serving
from sandbox.cluster.layout import Identity, Layout, Port
from sandbox.cluster.parts import BOOTSTRAP
from sandbox.identity import CLUSTER_NAME
from sandbox.part import Part
from sandbox.settings import Settings

NODE = "node"
KUBELET_PORT = 10250
_BALANCER_ADDRESS = "127.0.0.1"


def parts(settings: Settings) -> tuple[Part, ...]:
    """The node and the load balancer, which share a process."""
    layout = Layout(settings)
    options = {
        "name": CLUSTER_NAME,
        "home": settings.home / "node",
        "images": settings.home / "images",
        "kubeconfig": layout.kubeconfig(Identity.NODE),
        "address": settings.node_address,
        "network": settings.network,
        "certificate": layout.kubelet_pair,
        "client-ca": layout.authority,
        "api": f"{settings.control_plane}:{Port.API_SERVER.value}",
        "http-port": settings.http_port,
        "balancer-kubeconfig": layout.kubeconfig(Identity.LOAD_BALANCER),
    }
    return (
        Part(
            name=NODE,
            argv=(
                sys.executable,
                "-m",
                "sandbox.node",
                *(f"--{name}={value}" for name, value in options.items()),
            ),
            ready=serving(
                settings.node_address, KUBELET_PORT, "/healthz", authority=layout.authority
            ),
            after=(BOOTSTRAP,),
            listens=(
                (settings.node_address, KUBELET_PORT),
                (_BALANCER_ADDRESS, settings.http_port),
            ),
        ),
    )
