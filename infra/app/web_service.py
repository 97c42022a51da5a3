"""A web service of an app: Deployment, Service, autoscaler and disruption budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apps, autoscaling, core

from infra.app.deployment import (
    AppContainer,
    child_name,
    deployment_annotations,
    deployment_spec,
    disruption_budget,
)
from infra.kubernetes.ingress_annotations import target_annotations
from infra.kubernetes.pod import NAME_LABEL, NOT_AWAITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.app.containers import Health, Web
    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope

# The load balancer checks as often, so that both see a pod fail at about the same time.
_READY_SECONDS = 5


@dataclass(frozen=True)
class WebBackend:
    """A web service as an Ingress needs it.

    Attributes:
        name: Name of its Service.
        pods: Name of its pods, by label `NAME_LABEL`.
        path: Beginning of the paths that lead to it.
        health: Paths of its health check.
    """

    name: str
    pods: str
    path: str
    health: Health

    def service_spec(self) -> core.v1.ServiceSpecArgs:
        """Return the spec of the Service: its pods, on port 80."""
        return core.v1.ServiceSpecArgs(
            type="ClusterIP",
            selector={NAME_LABEL: self.pods},
            ports=[
                core.v1.ServicePortArgs(name="http", port=80, target_port="http", protocol="TCP")
            ],
        )


def longest_first(backends: Sequence[WebBackend]) -> list[WebBackend]:
    """Return web services in the order in which their paths are tried."""
    return sorted(backends, key=lambda backend: (-len(backend.path), backend.path))


class WebService(pulumi.ComponentResource):
    """A web service's pods behind one address inside the cluster.

    Attributes:
        backend: The Service, for an Ingress.
        deployment: The Deployment.
    """

    backend: WebBackend
    deployment: apps.v1.Deployment

    def __init__(
        self,
        name: str,
        *,
        web: Web,
        container: AppContainer,
        resources: ServiceConfig,
        scope: NamespaceScope,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the web service. Its name is that of its objects, too.

        Args:
            web: Its port, path and health check.
            container: Its container.
            resources: Number of pods, their resources, and their termination.
            scope: Namespace of all of it.
            depends_on: Resources that the Deployment depends on.
        """
        super().__init__("previews:service:WebService", name, None, opts)
        labels = {NAME_LABEL: name}
        self.backend = WebBackend(name, name, web.path, web.health)
        self.deployment = apps.v1.Deployment(
            child_name(name, "deployment"),
            metadata=scope.metadata(
                name, labels=labels, annotations=deployment_annotations(resources)
            ),
            spec=deployment_spec(name, container, resources, extra=web_container(web)),
            # Deleted on its own, not with the namespace: its pods are gone before Pulumi deletes
            # their database.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )
        after_deployment = scope.deleted_with_namespace(self, depends_on=[self.deployment])
        core.v1.Service(
            child_name(name, "service"),
            metadata=scope.metadata(
                name,
                labels=labels,
                annotations={**NOT_AWAITED, **target_annotations(web.health.ready)},
            ),
            spec=self.backend.service_spec(),
            opts=after_deployment,
        )
        metadata = scope.metadata(name, labels=labels)
        autoscaling.v2.HorizontalPodAutoscaler(
            child_name(name, "autoscaler"),
            metadata=metadata,
            spec=_autoscaler_spec(name, resources),
            opts=after_deployment,
        )
        disruption_budget(name, scope, after_deployment)
        self.register_outputs({})


def web_container(web: Web) -> dict[str, object]:
    """Return what a container that serves HTTP has besides: its port and its probes."""
    return {
        "ports": [core.v1.ContainerPortArgs(name="http", container_port=web.port, protocol="TCP")],
        # While it starts, the other two wait.
        "startup_probe": _probe(web.health.live, period=1, failures=web.start_seconds),
        "readiness_probe": _probe(web.health.ready, period=_READY_SECONDS, failures=2),
        "liveness_probe": _probe(web.health.live, period=10, failures=3),
    }


def _probe(path: str, *, period: int, failures: int) -> core.v1.ProbeArgs:
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=path, port="http"),
        period_seconds=period,
        timeout_seconds=3,
        failure_threshold=failures,
    )


def _autoscaler_spec(
    name: str, resources: ServiceConfig
) -> autoscaling.v2.HorizontalPodAutoscalerSpecArgs:
    return autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=name
        ),
        min_replicas=resources.min_replicas,
        max_replicas=resources.max_replicas,
        metrics=[
            autoscaling.v2.MetricSpecArgs(
                type="Resource",
                resource=autoscaling.v2.ResourceMetricSourceArgs(
                    name="cpu",
                    target=autoscaling.v2.MetricTargetArgs(
                        type="Utilization", average_utilization=resources.target_cpu_percent
                    ),
                ),
            )
        ],
    )
