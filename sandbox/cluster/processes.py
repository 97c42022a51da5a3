"""Processes of the control plane, the External Secrets Operator and metrics-server."""

from __future__ import annotations

import sys

from sandbox.cluster import control_plane
from sandbox.cluster.credentials import ensure_credentials
from sandbox.cluster.health import serving
from sandbox.cluster.layout import Identity, Layout, Port
from sandbox.process import Process
from sandbox.settings import Settings
from sandbox.tools import Tools, locate

ETCD = "etcd"
API_SERVER = "kube-apiserver"
BOOTSTRAP = "cluster-bootstrap"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
EXTERNAL_SECRETS = "external-secrets"
METRICS_SERVER = "metrics-server"


def processes(settings: Settings) -> tuple[Process, ...]:
    """Return the cluster's processes, and create the files that they need.

    Raises:
        SandboxError: A tool has not been built yet.
    """
    layout = Layout(settings)
    tools = locate(settings, ["kubernetes", "external-secrets"])
    ensure_credentials(layout)
    layout.etcd_data.mkdir(parents=True, exist_ok=True, mode=0o700)
    etcd, api_server = control_plane.etcd(layout, tools), control_plane.api_server(layout, tools)
    controllers = control_plane.controller_manager(layout, tools)
    scheduler = control_plane.scheduler(layout, tools)
    return (
        _component(
            layout, ETCD, etcd, Port.ETCD_CLIENT, Port.ETCD_PEER, mib=96, depends_on=(), pair=ETCD
        ),
        _component(layout, API_SERVER, api_server, Port.API_SERVER, mib=256, depends_on=(ETCD,)),
        _bootstrap(settings),
        _component(
            layout,
            CONTROLLER_MANAGER,
            controllers,
            Port.CONTROLLER_MANAGER,
            mib=96,
            path="/healthz",
        ),
        _component(layout, SCHEDULER, scheduler, Port.SCHEDULER, mib=64),
        _external_secrets(layout, tools),
        _metrics_server(layout, tools),
    )


def _component(
    layout: Layout,
    name: str,
    argv: tuple[str, ...],
    *ports: Port,
    mib: int,
    path: str = "/readyz",
    depends_on: tuple[str, ...] = (API_SERVER,),
    pair: str | None = None,
) -> Process:
    """Return a component of Kubernetes, whose health check is on the first port."""
    address = layout.settings.control_plane
    return Process(
        name=name,
        argv=argv,
        env=_memory(mib),
        ready=serving(
            address,
            ports[0].value,
            path,
            authority=layout.authority,
            pair=layout.pair(pair) if pair else None,
        ),
        depends_on=depends_on,
        listens=tuple((address, port.value) for port in ports),
    )


def _bootstrap(settings: Settings) -> Process:
    return Process(
        name=BOOTSTRAP,
        argv=(sys.executable, "-m", "sandbox.cluster.bootstrap"),
        env=settings.environment,
        depends_on=(API_SERVER,),
        oneshot=True,
    )


def _external_secrets(layout: Layout, tools: Tools) -> Process:
    settings = layout.settings
    health = Port.EXTERNAL_SECRETS_HEALTH.value
    metrics = Port.EXTERNAL_SECRETS_METRICS.value
    return Process(
        name=EXTERNAL_SECRETS,
        argv=(
            str(tools.external_secrets),
            "--enable-leader-election=false",
            "--enable-cluster-external-secret-reconciler=false",
            "--enable-cluster-push-secret-reconciler=false",
            "--enable-push-secret-reconciler=false",
            "--concurrent=8",
            # Soon, for a store that is created before its secret.
            "--store-requeue-interval=10s",
            f"--live-addr={settings.control_plane}:{health}",
            f"--metrics-addr={settings.control_plane}:{metrics}",
            "--zap-time-encoding=rfc3339",
        ),
        env={
            **_memory(64),
            "KUBECONFIG": str(layout.kubeconfig(Identity.EXTERNAL_SECRETS)),
            # It reads the services' own variables, not AWS_ENDPOINT_URL.
            "AWS_SECRETSMANAGER_ENDPOINT": settings.aws_endpoint,
            "AWS_STS_ENDPOINT": settings.aws_endpoint,
            "AWS_SSM_ENDPOINT": settings.aws_endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        ready=serving(settings.control_plane, health, "/healthz"),
        depends_on=(BOOTSTRAP,),
        listens=((settings.control_plane, health), (settings.control_plane, metrics)),
    )


def _metrics_server(layout: Layout, tools: Tools) -> Process:
    """Return metrics-server, ready once its API is served: until then no namespace can end."""
    address = layout.settings.control_plane
    return Process(
        name=METRICS_SERVER,
        argv=control_plane.metrics_server(layout, tools),
        env=_memory(32),
        ready=serving(
            address,
            Port.API_SERVER.value,
            "/apis/metrics.k8s.io/v1beta1",
            authority=layout.authority,
            pair=layout.pair(Identity.ADMIN.file_name),
        ),
        depends_on=(BOOTSTRAP,),
        listens=((address, Port.METRICS_SERVER.value),),
    )


def _memory(limit_mib: int) -> dict[str, str]:
    """Return settings of Go's garbage collector that save memory at the cost of time."""
    return {"GOMEMLIMIT": f"{limit_mib}MiB", "GOGC": "50"}
