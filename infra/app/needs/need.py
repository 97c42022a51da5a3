"""Common parts of the services that an app needs: their result, and servers in a pod."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apps, core, meta, networking

from contract.app.containers import Container
from infra.app.deployment import child_name
from infra.app.preview_namespace import OF_THE_APP
from infra.errors import ProgramError
from infra.kubernetes.network_rules import networks, port
from infra.kubernetes.pod import (
    NAME_LABEL,
    NOT_AWAITED,
    SCRATCH_MEBIBYTES,
    TIMEOUT,
    container_command,
    container_confinement,
    mounts,
    pod_spec,
    resource_requirements,
)

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.app.sizes import AppSizes
    from infra.app.web_service import WebBackend
    from infra.config.models import EgressBy, ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

_GRACE_SECONDS = 5
_LONGER_SECONDS = 15
_CONTAINER = Container()


@dataclass(frozen=True)
class NeedArgs:
    """Arguments of all services that an app needs.

    Attributes:
        stack: Stack of the app.
        scope: Namespace of the app.
        sizes: Sizes of all pods.
        platform: The platform's images and networks.
        url: URL of the app.
        database: Identity of the database.
        guards: Quota, limits and account of the namespace, which pods depend on.
        egress_by: How the hosts that the app connects to are told from others.
    """

    stack: StackName
    scope: NamespaceScope
    sizes: AppSizes
    platform: PlatformInputs
    url: pulumi.Input[str]
    database: pulumi.Input[str]
    guards: Sequence[pulumi.Resource]
    egress_by: EgressBy


@dataclass(frozen=True)
class ProvidedNeed:
    """A service that an app needs, as the app's own resources take it.

    Attributes:
        values: Value of each placeholder of the need.
        ready: Resources that the app's pods depend on.
        backends: Web services that it puts behind the app's Ingress.
        outputs: Outputs of the stack.
        service_account: Service account that the app's pods run as; empty for the usual one.
    """

    values: Mapping[str, pulumi.Input[str]]
    ready: Sequence[pulumi.Resource]
    backends: Sequence[WebBackend] = ()
    outputs: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    service_account: str = ""


@dataclass(frozen=True)
class Server:
    """A server of one pod, which only the app's own pods reach, and which reaches nothing.

    Attributes:
        name: Name of its Service, of its pod in `NAME_LABEL`, and of its key in ``needs``.
        image: Its image.
        command: Its command.
        ports: Its ports, by name.
        app_ports: Names of those that the app's pods reach.
        balancer_ports: Names of those that the load balancer reaches.
        probe: Its readiness probe.
        annotations: Annotations of its Service.
        restart_on: Annotations of its pod, which is replaced when they change.
        scratch_mebibytes: Size of its scratch folder.
    """

    name: str
    image: pulumi.Input[str]
    command: Sequence[str]
    ports: Mapping[str, int]
    app_ports: Sequence[str]
    probe: core.v1.ProbeArgs
    balancer_ports: Sequence[str] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    restart_on: Mapping[str, pulumi.Input[str]] = field(
        default_factory=dict[str, pulumi.Input[str]]
    )
    scratch_mebibytes: int = SCRATCH_MEBIBYTES


class NeedServer(pulumi.ComponentResource):
    """Deployment, Service and network policies of a server.

    Attributes:
        ready: Resources that the app's pods depend on.
    """

    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        server: Server,
        args: NeedArgs,
        service_ports: Mapping[str, int] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            server: The server.
            args: Its surroundings.
            service_ports: Ports of its Service that differ from the server's own.
        """
        super().__init__("previews:needs:NeedServer", name, None, opts)
        scope, labels = args.scope, {NAME_LABEL: server.name}
        with_namespace = scope.deleted_with_namespace(self)
        policies = [
            networking.v1.NetworkPolicy(
                rule,
                metadata=scope.metadata(rule, labels=labels),
                spec=spec,
                opts=with_namespace,
            )
            for rule, spec in _network(server, args.platform).items()
        ]
        service = core.v1.Service(
            child_name(name, "service"),
            metadata=scope.metadata(
                server.name, labels=labels, annotations={**NOT_AWAITED, **server.annotations}
            ),
            spec=_service(server, service_ports or {}),
            opts=with_namespace,
        )
        resources = args.sizes.needs[server.name].resources
        deployment = apps.v1.Deployment(
            child_name(name, "deployment"),
            metadata=scope.metadata(
                server.name,
                labels=labels,
                annotations={TIMEOUT: str(resources.start_seconds + _LONGER_SECONDS)},
            ),
            spec=_deployment(server, resources),
            opts=scope.deleted_with_namespace(self, depends_on=[*args.guards, *policies]),
        )
        self.ready = [*policies, service, deployment]
        self.register_outputs({})


def checked_image(name: str, image: str) -> str:
    """Return the image of a server; one that is pinned by its tag alone is warned about.

    Raises:
        ProgramError: The platform has none that its nodes can reach.
    """
    if image and "@" not in image:
        pulumi.log.warn(
            f"{image} is pinned by its tag alone, which its owner can move; `make versions` pins"
            f" its digest, or the platform names a copy: previews:needs.{name}Image"
        )
    if image:
        return image
    raise ProgramError(
        f"preview.yaml, needs.{name}",
        why="the nodes of this platform reach AWS alone, and it names no copy of the image",
        remedy="ask the platform's owners to copy it into ECR and to name it: `pulumi config set"
        f" --path previews:needs.{name}Image <image>@<digest> -s staging`, `pulumi up -s staging`",
    )


def _service(server: Server, service_ports: Mapping[str, int]) -> core.v1.ServiceSpecArgs:
    return core.v1.ServiceSpecArgs(
        type="ClusterIP",
        selector={NAME_LABEL: server.name},
        ports=[
            core.v1.ServicePortArgs(
                name=name, port=service_ports.get(name, number), target_port=name, protocol="TCP"
            )
            for name, number in server.ports.items()
        ],
    )


def _deployment(server: Server, resources: ServiceConfig) -> apps.v1.DeploymentSpecArgs:
    labels = {NAME_LABEL: server.name}
    container = core.v1.ContainerArgs(
        name=server.name,
        image=server.image,
        image_pull_policy="IfNotPresent",
        command=container_command(server.command),
        ports=[
            core.v1.ContainerPortArgs(name=name, container_port=number, protocol="TCP")
            for name, number in server.ports.items()
        ],
        readiness_probe=server.probe,
        resources=resource_requirements(resources, scratch_mebibytes=server.scratch_mebibytes),
        security_context=container_confinement(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=mounts(),
    )
    return apps.v1.DeploymentSpecArgs(
        replicas=1,
        selector=meta.v1.LabelSelectorArgs(match_labels=labels),
        progress_deadline_seconds=resources.start_seconds,
        revision_history_limit=2,
        # Two at once would each have a part of the data.
        strategy=apps.v1.DeploymentStrategyArgs(type="Recreate"),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=labels, annotations=server.restart_on),
            spec=pod_spec(
                container,
                grace_period_seconds=_GRACE_SECONDS,
                restart_policy="Always",
                scratch_mebibytes=server.scratch_mebibytes,
            ),
        ),
    )


def _network(
    server: Server, platform: PlatformInputs
) -> dict[str, networking.v1.NetworkPolicySpecArgs]:
    """Return the policies: the app's pods reach the server, and the load balancer its page."""
    own = meta.v1.LabelSelectorArgs(match_labels={NAME_LABEL: server.name})
    ports = [port(server.ports[name], "TCP") for name in server.app_ports]
    ingress = [
        networking.v1.NetworkPolicyIngressRuleArgs(
            from_=[networking.v1.NetworkPolicyPeerArgs(pod_selector=OF_THE_APP)], ports=ports
        )
    ]
    if server.balancer_ports:
        ingress.append(
            networking.v1.NetworkPolicyIngressRuleArgs(
                from_=networks(platform.ingress.source_cidrs),
                ports=[port(server.ports[name], "TCP") for name in server.balancer_ports],
            )
        )
    egress = networking.v1.NetworkPolicyEgressRuleArgs(
        to=[networking.v1.NetworkPolicyPeerArgs(pod_selector=own)], ports=ports
    )
    return {
        f"allow-into-{server.name}": networking.v1.NetworkPolicySpecArgs(
            pod_selector=own, policy_types=["Ingress"], ingress=ingress
        ),
        f"allow-app-to-{server.name}": networking.v1.NetworkPolicySpecArgs(
            pod_selector=OF_THE_APP, policy_types=["Egress"], egress=[egress]
        ),
    }
