"""The node's processes: the container runtime with the load balancer, and the kubelet."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from sandbox.cluster.health import serving
from sandbox.cluster.layout import Identity, Layout, Port
from sandbox.cluster.processes import BOOTSTRAP
from sandbox.errors import SandboxError
from sandbox.node.refusals import CLUSTER_DNS
from sandbox.process import Process
from sandbox.settings import CLUSTER_NAME, Settings
from sandbox.system import write_atomically
from sandbox.tools import Tools, locate

RUNTIME = "node"
KUBELET = "kubelet"
KUBELET_PORT = 10250
_KUBELET_HEALTH_PORT = 10248
_BALANCER_ADDRESS = "127.0.0.1"
_MOST_PODS = 250
_LONGEST_SOCKET_PATH = 107  # unix(7)
_LABELS = {
    "node.kubernetes.io/instance-type": "sandbox",
    "topology.kubernetes.io/region": "us-east-1",
    "topology.kubernetes.io/zone": "us-east-1a",
}


@dataclass(frozen=True)
class _Node:
    """Paths of the node."""

    settings: Settings

    @property
    def home(self) -> Path:
        return self.settings.home / "node"

    @property
    def kubelet(self) -> Path:
        return self.home / "kubelet"

    @property
    def socket(self) -> Path:
        path = self.home / "cri.sock"
        if len(str(path)) > _LONGEST_SOCKET_PATH:
            raise SandboxError(
                f"socket {path}",
                why=f"it has {len(str(path))} characters, and Linux allows {_LONGEST_SOCKET_PATH}",
                remedy="put the sandbox's state elsewhere with SANDBOX_HOME=<folder>.",
            )
        return path


def processes(settings: Settings) -> tuple[Process, ...]:
    """Return the process of the runtime and the load balancer, and that of the kubelet.

    Raises:
        SandboxError: Kubernetes has not been built yet, or a path is too long.
    """
    layout, node = Layout(settings), _Node(settings)
    tools = locate(settings, ["kubernetes"])
    return (_runtime(layout, node, tools), _kubelet(layout, node, tools))


def _runtime(layout: Layout, node: _Node, tools: Tools) -> Process:
    settings = layout.settings
    options = {
        "home": node.home,
        "images": settings.home / "images",
        "socket": node.socket,
        "cri-descriptors": tools.program("cri-descriptors"),
        "network": settings.network,
        "api": f"{settings.control_plane}:{Port.API_SERVER.value}",
        "aws": urlsplit(settings.aws_endpoint).netloc,
        "http-port": settings.http_port,
        "balancer-kubeconfig": layout.kubeconfig(Identity.LOAD_BALANCER),
        "network-policy-kubeconfig": layout.kubeconfig(Identity.NETWORK_POLICY),
    }
    return Process(
        name=RUNTIME,
        argv=(
            sys.executable,
            "-m",
            "sandbox.node",
            *(f"--{name}={value}" for name, value in options.items()),
        ),
        ready=_accepting(node.socket),
        depends_on=(BOOTSTRAP,),
        listens=((_BALANCER_ADDRESS, settings.http_port),),
    )


def _kubelet(layout: Layout, node: _Node, tools: Tools) -> Process:
    settings = layout.settings
    configuration = node.home / "kubelet.yaml"
    write_atomically(configuration, yaml.safe_dump(_configuration(layout, node)))
    labels = ",".join(f"{name}={value}" for name, value in _LABELS.items())
    return Process(
        name=KUBELET,
        argv=(
            str(tools.program("kubelet")),
            f"--config={configuration}",
            f"--kubeconfig={layout.kubeconfig(Identity.NODE)}",
            f"--root-dir={node.kubelet}",
            f"--cert-dir={node.kubelet / 'pki'}",
            f"--hostname-override={CLUSTER_NAME}",
            f"--node-ip={settings.node_address}",
            f"--node-labels={labels}",
        ),
        env={"GOMEMLIMIT": "96MiB", "GOGC": "50"},
        ready=serving(settings.node_address, _KUBELET_HEALTH_PORT, "/healthz"),
        depends_on=(RUNTIME,),
        listens=(
            (settings.node_address, KUBELET_PORT),
            (settings.node_address, _KUBELET_HEALTH_PORT),
        ),
    )


def _configuration(layout: Layout, node: _Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.settings.node_address,
        "port": KUBELET_PORT,
        "healthzBindAddress": layout.settings.node_address,
        "healthzPort": _KUBELET_HEALTH_PORT,
        "tlsCertFile": str(layout.kubelet_pair),
        "tlsPrivateKeyFile": str(layout.kubelet_pair),
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(layout.authority)},
        },
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "podLogsDir": str(node.home / "logs"),
        "volumePluginDir": str(node.kubelet / "volume-plugins"),
        "maxPods": _MOST_PODS,
        # Without it the kubelet warns at each Pod.
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        # There are no cgroups and no root: see the package's docstring.
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # The machine runs other programs too: no Pod is evicted for its memory or disk. Images
        # are deleted by the registry's rules.
        "evictionHard": dict.fromkeys(
            ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"),
            "0%",
        ),
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        # Previews start many Pods at once, and this API server has no other clients.
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
    }


def _accepting(path: Path) -> Callable[[], str | None]:
    def check() -> str | None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError as error:
                return f"no answer on {path} ({error})"
        return None

    return check
