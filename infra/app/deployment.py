"""Deployments of an app's containers: how they roll out, where they run, how they stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_kubernetes import apps, core, meta, policy

from contract.kubernetes import SERVICE
from infra.app.authorities import MOUNTED
from infra.kubernetes.pod import (
    NAME_LABEL,
    SERVICE_ACCOUNT,
    TIMEOUT,
    Environment,
    container_command,
    container_confinement,
    mounts,
    pod_spec,
    resource_requirements,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.app.containers import Container
    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope

# Pulumi waits a little longer than Kubernetes, so that it shows Kubernetes' reason. It always
# waits the full time, since it does not stop when Kubernetes gives up.
_LONGER_SECONDS = 15


@dataclass(frozen=True)
class AppContainer:
    """A container of an app.

    Attributes:
        image: Image, by digest.
        settings: The container as ``preview.yaml`` has it.
        command: Its command; None for the image's own.
        environment: Its environment.
        restart_on: Annotations of the pods that change with objects that they use by name.
        service_account: Service account that they run as.
    """

    image: pulumi.Input[str]
    settings: Container
    command: Sequence[str] | None
    environment: Environment
    restart_on: Mapping[str, pulumi.Input[str]]
    service_account: str = SERVICE_ACCOUNT


def child_name(name: str, kind: str) -> str:
    """Return the name of a part of a component in Pulumi's state.

    There a resource is known by its own name and its parents' types, not by their names. The
    parts of the app's own web service have the short form.
    """
    return kind if name == SERVICE else f"{name}-{kind}"


def deployment_annotations(resources: ServiceConfig) -> dict[str, str]:
    """Return the annotations of a Deployment: how long Pulumi waits for it."""
    return {TIMEOUT: str(resources.start_seconds + _LONGER_SECONDS)}


def deployment_spec(
    name: str,
    container: AppContainer,
    resources: ServiceConfig,
    *,
    replicas: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> apps.v1.DeploymentSpecArgs:
    """Return the spec of a Deployment.

    Args:
        name: Name of its container, and of its pods in `NAME_LABEL`.
        container: The container.
        resources: Resources and termination of its pods.
        replicas: Number of pods; None where an autoscaler sets it.
        extra: Further arguments of the container.
    """
    labels = {NAME_LABEL: name}
    settings = container.settings
    spec = core.v1.ContainerArgs(
        name=name,
        image=container.image,
        image_pull_policy="IfNotPresent",
        command=None if container.command is None else container_command(container.command),
        env=container.environment.as_args(),
        resources=resource_requirements(resources, settings),
        security_context=container_confinement(settings),
        # The load balancer goes on sending for some seconds after a pod got SIGTERM.
        lifecycle=core.v1.LifecycleArgs(
            pre_stop=core.v1.LifecycleHandlerArgs(
                sleep=core.v1.SleepActionArgs(seconds=resources.pre_stop_seconds)
            )
        ),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=mounts(settings, (MOUNTED,)),
        **(extra or {}),
    )
    return apps.v1.DeploymentSpecArgs(
        replicas=replicas,
        selector=meta.v1.LabelSelectorArgs(match_labels=labels),
        progress_deadline_seconds=resources.start_seconds,
        revision_history_limit=2,
        strategy=apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
        ),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=labels, annotations=container.restart_on),
            spec=pod_spec(
                spec,
                grace_period_seconds=resources.grace_period_seconds,
                restart_policy="Always",
                topology_spread_constraints=[
                    _spread("topology.kubernetes.io/zone", labels),
                    _spread("kubernetes.io/hostname", labels),
                ],
                settings=settings,
                service_account=container.service_account,
                mounted=(MOUNTED,),
            ),
        ),
    )


def disruption_budget(name: str, scope: NamespaceScope, opts: pulumi.ResourceOptions) -> None:
    """Declare the PodDisruptionBudget of a Deployment.

    Args:
        name: Name of the Deployment, and of its pods in `NAME_LABEL`.
        scope: Its namespace.
        opts: Options of the resource.
    """
    labels = {NAME_LABEL: name}
    policy.v1.PodDisruptionBudget(
        child_name(name, "disruption-budget"),
        metadata=scope.metadata(name, labels=labels),
        spec=policy.v1.PodDisruptionBudgetSpecArgs(
            # Not minAvailable: with one replica that would block a node's drain for ever.
            max_unavailable=1,
            selector=meta.v1.LabelSelectorArgs(match_labels=labels),
            unhealthy_pod_eviction_policy="AlwaysAllow",
        ),
        opts=opts,
    )


def _spread(topology_key: str, labels: Mapping[str, str]) -> core.v1.TopologySpreadConstraintArgs:
    """Spread over zones or nodes as far as possible; a single node is no reason to wait."""
    return core.v1.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key=topology_key,
        when_unsatisfiable="ScheduleAnyway",
        label_selector=meta.v1.LabelSelectorArgs(match_labels=labels),
    )
