"""The cluster's processes, for the supervisor."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sandbox.cluster import control_plane
from sandbox.cluster.credentials import ensure_credentials
from sandbox.cluster.health import serving
from sandbox.cluster.layout import Identity, Layout, Port
from sandbox.part import Part
from sandbox.settings import Settings
from sandbox.tools import Tools, locate

ETCD = "etcd"
API_SERVER = "kube-apiserver"
BOOTSTRAP = "cluster-bootstrap"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
EXTERNAL_SECRETS = "external-secrets"


def parts(settings: Settings) -> tuple[Part, ...]:
    """The control plane and the External Secrets Operator, with what they are started from.

    Raises:
        SandboxError: When a tool has not been made yet.
    """
    layout = Layout(settings)
    tools = locate(settings, ["kubernetes", "external-secrets"])
    ensure_credentials(layout)
    return (
        _etcd(layout, tools),
        _api_server(layout, tools),
        _bootstrap(layout),
        _controller_manager(layout, tools),
        _scheduler(layout, tools),
        _external_secrets(layout, tools),
    )


def _etcd(layout: Layout, tools: Tools) -> Part:
    layout.etcd_data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Part(
        name=ETCD,
        argv=control_plane.etcd(layout, tools),
        env=_memory(limit_mib=96, gogc=50),
        ready=_secure(layout, Port.ETCD_CLIENT, "/readyz", pair="etcd"),
        listens=_listens(layout, Port.ETCD_CLIENT, Port.ETCD_PEER),
    )


def _api_server(layout: Layout, tools: Tools) -> Part:
    return Part(
        name=API_SERVER,
        argv=control_plane.api_server(layout, tools),
        env=_memory(limit_mib=256, gogc=50),
        ready=_secure(layout, Port.API_SERVER, "/readyz"),
        after=(ETCD,),
        listens=_listens(layout, Port.API_SERVER),
    )


def _bootstrap(layout: Layout) -> Part:
    return Part(
        name=BOOTSTRAP,
        argv=(sys.executable, "-m", "sandbox.cluster.bootstrap"),
        env={
            f"SANDBOX_{name.upper()}": str(getattr(layout.settings, name))
            for name in Settings.model_fields
        },
        after=(API_SERVER,),
        oneshot=True,
    )


def _controller_manager(layout: Layout, tools: Tools) -> Part:
    return Part(
        name=CONTROLLER_MANAGER,
        argv=control_plane.controller_manager(layout, tools),
        env=_memory(limit_mib=96, gogc=50),
        ready=_secure(layout, Port.CONTROLLER_MANAGER, "/healthz"),
        after=(API_SERVER,),
        listens=_listens(layout, Port.CONTROLLER_MANAGER),
    )


def _scheduler(layout: Layout, tools: Tools) -> Part:
    return Part(
        name=SCHEDULER,
        argv=control_plane.scheduler(layout, tools),
        env=_memory(limit_mib=64, gogc=50),
        ready=_secure(layout, Port.SCHEDULER, "/readyz"),
        after=(API_SERVER,),
        listens=_listens(layout, Port.SCHEDULER),
    )


def _external_secrets(layout: Layout, tools: Tools) -> Part:
    settings = layout.settings
    health = Port.EXTERNAL_SECRETS_HEALTH.value
    metrics = Port.EXTERNAL_SECRETS_METRICS.value
    return Part(
        name=EXTERNAL_SECRETS,
        argv=(
            str(tools.external_secrets),
            "--enable-leader-election=false",
            "--enable-cluster-external-secret-reconciler=false",
            "--enable-cluster-push-secret-reconciler=false",
            "--enable-push-secret-reconciler=false",
            "--concurrent=8",
            # A store that comes up before what it asks is looked at again this soon.
            "--store-requeue-interval=10s",
            f"--live-addr={settings.control_plane}:{health}",
            f"--metrics-addr={settings.control_plane}:{metrics}",
            "--zap-time-encoding=rfc3339",
        ),
        env={
            **_memory(limit_mib=64, gogc=50),
            "KUBECONFIG": str(layout.kubeconfig(Identity.EXTERNAL_SECRETS)),
            # On a service's own variable alone: the general one is not read by it.
            "AWS_SECRETSMANAGER_ENDPOINT": settings.aws_endpoint,
            "AWS_STS_ENDPOINT": settings.aws_endpoint,
            "AWS_SSM_ENDPOINT": settings.aws_endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        ready=serving(settings.control_plane, health, "/healthz"),
        after=(BOOTSTRAP,),
        listens=_listens(layout, Port.EXTERNAL_SECRETS_HEALTH, Port.EXTERNAL_SECRETS_METRICS),
    )


def _secure(
    layout: Layout, port: Port, path: str, pair: str | None = None
) -> Callable[[], str | None]:
    return serving(
        layout.settings.control_plane,
        port.value,
        path,
        authority=layout.authority,
        pair=layout.pair(pair) if pair else None,
    )


def _listens(layout: Layout, *ports: Port) -> tuple[tuple[str, int], ...]:
    return tuple((layout.settings.control_plane, port.value) for port in ports)


def _memory(limit_mib: int, gogc: int) -> dict[str, str]:
    """Collect garbage early: memory is scarcer here than time."""
    return {"GOMEMLIMIT": f"{limit_mib}MiB", "GOGC": str(gogc)}
