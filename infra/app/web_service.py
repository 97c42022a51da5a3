"""The service itself: Deployment, Service, autoscaler and disruption budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apps, autoscaling, core, meta, policy

from infra.kubernetes.pod import (
    HTTP_PORT,
    NAME_LABEL,
    NOT_AWAITED,
    TIMEOUT,
    Environment,
    container_confinement,
    pod_spec,
    resource_requirements,
    scratch_mount,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope

NAME = "service"
LABELS = {NAME_LABEL: NAME}

# Pulumi waits a little longer than Kubernetes, so that it shows Kubernetes' reason. It always
# waits the full time, since it does not stop when Kubernetes gives up.
_LONGER_SECONDS = 15


class WebService(pulumi.ComponentResource):
    """The service's pods behind one address inside the cluster.

    Attributes:
        deployment: The Deployment.
        service: The Service, whose pods are ready.
    """

    deployment: apps.v1.Deployment
    service: core.v1.Service

    def __init__(
        self,
        name: str,
        *,
        image: pulumi.Input[str],
        environment: Environment,
        restart_on: Mapping[str, pulumi.Input[str]],
        resources: ServiceConfig,
        scope: NamespaceScope,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the service.

        Args:
            image: Image, by digest.
            environment: Environment of the container.
            restart_on: Annotations of the pods that change with objects that they use by name.
            resources: Number of pods, their resources, and their termination.
            scope: Namespace of all of it.
            depends_on: Resources that the Deployment depends on.
        """
        super().__init__("previews:service:WebService", name, None, opts)
        metadata = scope.metadata(NAME, labels=LABELS)
        self.deployment = apps.v1.Deployment(
            "deployment",
            metadata=scope.metadata(
                NAME,
                labels=LABELS,
                annotations={TIMEOUT: str(resources.start_seconds + _LONGER_SECONDS)},
            ),
            spec=_deployment_spec(image, environment, restart_on, resources),
            # Deleted on its own, not with the namespace: its pods are gone before Pulumi deletes
            # their database.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )
        after_deployment = scope.deleted_with_namespace(self, depends_on=[self.deployment])
        self.service = core.v1.Service(
            "service",
            metadata=scope.metadata(NAME, labels=LABELS, annotations=NOT_AWAITED),
            spec=core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=LABELS,
                ports=[
                    core.v1.ServicePortArgs(
                        name="http", port=80, target_port="http", protocol="TCP"
                    )
                ],
            ),
            opts=after_deployment,
        )
        autoscaling.v2.HorizontalPodAutoscaler(
            "autoscaler",
            metadata=metadata,
            spec=_autoscaler_spec(resources),
            opts=after_deployment,
        )
        policy.v1.PodDisruptionBudget(
            "disruption-budget",
            metadata=metadata,
            spec=policy.v1.PodDisruptionBudgetSpecArgs(
                # Not minAvailable: with one replica that would block a node's drain for ever.
                max_unavailable=1,
                selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
                unhealthy_pod_eviction_policy="AlwaysAllow",
            ),
            opts=after_deployment,
        )
        self.register_outputs({})


def _deployment_spec(
    image: pulumi.Input[str],
    environment: Environment,
    restart_on: Mapping[str, pulumi.Input[str]],
    resources: ServiceConfig,
) -> apps.v1.DeploymentSpecArgs:
    """Return the Deployment's spec, without replicas, which the autoscaler sets."""
    container = core.v1.ContainerArgs(
        name=NAME,
        image=image,
        image_pull_policy="IfNotPresent",
        env=environment.as_args(),
        ports=[core.v1.ContainerPortArgs(name="http", container_port=HTTP_PORT, protocol="TCP")],
        resources=resource_requirements(resources),
        security_context=container_confinement(),
        # Start-up has a minute, during which the other two wait.
        startup_probe=_probe("/health/live", period=1, failures=60),
        readiness_probe=_probe("/health/ready", period=5, failures=2),
        liveness_probe=_probe("/health/live", period=10, failures=3),
        # The load balancer goes on sending for some seconds after a pod got SIGTERM.
        lifecycle=core.v1.LifecycleArgs(
            pre_stop=core.v1.LifecycleHandlerArgs(
                sleep=core.v1.SleepActionArgs(seconds=resources.pre_stop_seconds)
            )
        ),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[scratch_mount()],
    )
    return apps.v1.DeploymentSpecArgs(
        selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
        progress_deadline_seconds=resources.start_seconds,
        revision_history_limit=2,
        strategy=apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
        ),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=LABELS, annotations=restart_on),
            spec=pod_spec(
                container,
                grace_period_seconds=resources.grace_period_seconds,
                restart_policy="Always",
                topology_spread_constraints=[
                    _spread("topology.kubernetes.io/zone"),
                    _spread("kubernetes.io/hostname"),
                ],
            ),
        ),
    )


def _autoscaler_spec(resources: ServiceConfig) -> autoscaling.v2.HorizontalPodAutoscalerSpecArgs:
    return autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=NAME
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


def _probe(path: str, *, period: int, failures: int) -> core.v1.ProbeArgs:
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=path, port="http"),
        period_seconds=period,
        timeout_seconds=3,
        failure_threshold=failures,
    )


def _spread(topology_key: str) -> core.v1.TopologySpreadConstraintArgs:
    """Spread over zones or nodes as far as possible; a single node is no reason to wait."""
    return core.v1.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key=topology_key,
        when_unsatisfiable="ScheduleAnyway",
        label_selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
    )
