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
    resources,
    scratch_mount,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import Home

NAME = "service"
LABELS = {NAME_LABEL: NAME}

# Pulumi waits a little longer than Kubernetes, whose reason is then what it shows; and always
# as long as it may, since it does not stop when Kubernetes has given up.
_LONGER_SECONDS = 15


class WebService(pulumi.ComponentResource):
    """The service's pods behind one address inside the cluster.

    Attributes:
        deployment: The Deployment.
        service: The Service; it has pods that are ready.
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
        sizes: ServiceConfig,
        home: Home,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the service.

        Args:
            name: Pulumi's name of the component.
            image: The image, by digest.
            environment: The container's environment.
            restart_on: Annotations of the pods that change with what they don't name but use.
            sizes: How many pods, how large, and how they end.
            home: Where they run.
            after: What must be there first.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:WebService", name, None, opts)
        metadata = home.metadata(NAME, labels=LABELS)
        self.deployment = apps.v1.Deployment(
            "deployment",
            metadata=home.metadata(
                NAME,
                labels=LABELS,
                annotations={TIMEOUT: str(sizes.start_seconds + _LONGER_SECONDS)},
            ),
            spec=_deployment_spec(image, environment, restart_on, sizes),
            # Deleted by itself, and not with the namespace: its pods are gone before Pulumi
            # deletes the database under them.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )
        behind = home.goes_with(self, after=[self.deployment])
        self.service = core.v1.Service(
            "service",
            metadata=home.metadata(NAME, labels=LABELS, annotations=NOT_AWAITED),
            spec=core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=LABELS,
                ports=[
                    core.v1.ServicePortArgs(
                        name="http", port=80, target_port="http", protocol="TCP"
                    )
                ],
            ),
            opts=behind,
        )
        autoscaling.v2.HorizontalPodAutoscaler(
            "autoscaler",
            metadata=metadata,
            spec=_autoscaler_spec(sizes),
            opts=behind,
        )
        policy.v1.PodDisruptionBudget(
            "disruption-budget",
            metadata=metadata,
            spec=policy.v1.PodDisruptionBudgetSpecArgs(
                # Not minAvailable: with one replica that would hold up a node's drain for ever.
                max_unavailable=1,
                selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
                unhealthy_pod_eviction_policy="AlwaysAllow",
            ),
            opts=behind,
        )
        self.register_outputs({})


def _deployment_spec(
    image: pulumi.Input[str],
    environment: Environment,
    restart_on: Mapping[str, pulumi.Input[str]],
    sizes: ServiceConfig,
) -> apps.v1.DeploymentSpecArgs:
    """The Deployment. It names no number of replicas, which is the autoscaler's to say."""
    container = core.v1.ContainerArgs(
        name=NAME,
        image=image,
        image_pull_policy="IfNotPresent",
        env=environment.as_args(),
        ports=[core.v1.ContainerPortArgs(name="http", container_port=HTTP_PORT, protocol="TCP")],
        resources=resources(sizes),
        security_context=container_confinement(),
        # Start-up has a minute, during which the other two wait.
        startup_probe=_probe("/health/live", period=1, failures=60),
        readiness_probe=_probe("/health/ready", period=5, failures=2),
        liveness_probe=_probe("/health/live", period=10, failures=3),
        # The load balancer goes on sending for some seconds after a pod was told to end.
        lifecycle=core.v1.LifecycleArgs(
            pre_stop=core.v1.LifecycleHandlerArgs(
                sleep=core.v1.SleepActionArgs(seconds=sizes.pre_stop_seconds)
            )
        ),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[scratch_mount()],
    )
    return apps.v1.DeploymentSpecArgs(
        selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
        progress_deadline_seconds=sizes.start_seconds,
        revision_history_limit=2,
        strategy=apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
        ),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=LABELS, annotations=restart_on),
            spec=pod_spec(
                container,
                grace_period_seconds=sizes.grace_period_seconds,
                restart_policy="Always",
                topology_spread_constraints=[
                    _spread("topology.kubernetes.io/zone"),
                    _spread("kubernetes.io/hostname"),
                ],
            ),
        ),
    )


def _autoscaler_spec(sizes: ServiceConfig) -> autoscaling.v2.HorizontalPodAutoscalerSpecArgs:
    return autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=NAME
        ),
        min_replicas=sizes.min_replicas,
        max_replicas=sizes.max_replicas,
        metrics=[
            autoscaling.v2.MetricSpecArgs(
                type="Resource",
                resource=autoscaling.v2.ResourceMetricSourceArgs(
                    name="cpu",
                    target=autoscaling.v2.MetricTargetArgs(
                        type="Utilization", average_utilization=sizes.target_cpu_percent
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
    """Spread over zones or nodes as far as there are any; one node is no reason to wait."""
    return core.v1.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key=topology_key,
        when_unsatisfiable="ScheduleAnyway",
        label_selector=meta.v1.LabelSelectorArgs(match_labels=LABELS),
    )
