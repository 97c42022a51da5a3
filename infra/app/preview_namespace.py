"""A stack's namespace and its guard rails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core, meta, networking

from contract.kubernetes import PULL_REQUEST_LABEL, STACK_LABEL
from infra.kubernetes.namespace_scope import NamespaceScope
from infra.kubernetes.network_rules import networks, port, to_database, to_dns
from infra.kubernetes.pod import HTTP_PORT, NAME_LABEL, SERVICE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.config.models import ServiceConfig
    from infra.platform_inputs import PlatformInputs

PART_OF = ("app.kubernetes.io/part-of", "previews")
"""Label of every stack's namespace, which the shared IngressClass selects."""

# While a Deployment rolls out, a new pod and a terminating one come on top of its replicas; a
# Job's pod may run at the same time.
_EXTRA_PODS = 3

# Beyond the pods' own time: controllers clean up before they remove their finalizers.
_END_SECONDS = 240


class PreviewNamespace(pulumi.ComponentResource):
    """A namespace with guard rails, from which its neighbours are safe.

    Attributes:
        scope: The namespace.
        guards: Quota, limits, service account and network policies; pods depend on them.
    """

    scope: NamespaceScope
    guards: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        resources: ServiceConfig,
        platform: PlatformInputs,
        depends_on: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the namespace.

        Args:
            stack: Stack that the namespace is named after.
            resources: Resources of the service's pods; the quota follows from them.
            platform: The networks of database, load balancer and name server.
            depends_on: Resources that the namespace, and everything in it, depends on.
        """
        super().__init__("previews:service:PreviewNamespace", name, None, opts)
        namespace = core.v1.Namespace(
            "namespace",
            metadata=meta.v1.ObjectMetaArgs(name=stack.namespace, labels=namespace_labels(stack)),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*depends_on],
                # A namespace that can't end fails the destroy before the CI job's own limit does.
                custom_timeouts=pulumi.CustomTimeouts(
                    delete=f"{resources.grace_period_seconds + _END_SECONDS}s"
                ),
            ),
        )
        self.scope = NamespaceScope(stack.namespace, namespace)
        self._options = self.scope.deleted_with_namespace(self)
        self.guards = [
            self._quota(resources),
            self._limits(resources),
            self._service_account(),
            *self._network(platform),
        ]
        self.register_outputs({"name": stack.namespace})

    def _quota(self, resources: ServiceConfig) -> core.v1.ResourceQuota:
        return core.v1.ResourceQuota(
            "quota",
            metadata=self.scope.metadata("quota"),
            spec=core.v1.ResourceQuotaSpecArgs(hard=quota(resources)),
            opts=self._options,
        )

    def _limits(self, resources: ServiceConfig) -> core.v1.LimitRange:
        """Defaults of a container without resources, and the most that one may request."""
        most = {"cpu": resources.cpu_limit, "memory": resources.memory}
        return core.v1.LimitRange(
            "limits",
            metadata=self.scope.metadata("limits"),
            spec=core.v1.LimitRangeSpecArgs(
                limits=[
                    core.v1.LimitRangeItemArgs(
                        type="Container",
                        default=most,
                        default_request={"cpu": resources.cpu, "memory": resources.memory},
                        max=most,
                    )
                ]
            ),
            opts=self._options,
        )

    def _service_account(self) -> core.v1.ServiceAccount:
        """Declare the pods' account, without permissions; its token is in no pod."""
        return core.v1.ServiceAccount(
            "service-account",
            metadata=self.scope.metadata(SERVICE_ACCOUNT),
            automount_service_account_token=False,
            opts=self._options,
        )

    def _network(self, platform: PlatformInputs) -> list[networking.v1.NetworkPolicy]:
        """Only DNS, the database and the load balancer are allowed, in or out."""
        everyone = meta.v1.LabelSelectorArgs()
        service = meta.v1.LabelSelectorArgs(match_labels={NAME_LABEL: "service"})
        rules = {
            "default-deny": networking.v1.NetworkPolicySpecArgs(
                pod_selector=everyone, policy_types=["Ingress", "Egress"]
            ),
            "allow-dns-and-database": networking.v1.NetworkPolicySpecArgs(
                pod_selector=everyone,
                policy_types=["Egress"],
                egress=[to_dns(platform), to_database(platform)],
            ),
            "allow-load-balancer": networking.v1.NetworkPolicySpecArgs(
                pod_selector=service,
                policy_types=["Ingress"],
                ingress=[
                    networking.v1.NetworkPolicyIngressRuleArgs(
                        from_=networks(platform.ingress.source_cidrs),
                        ports=[port(HTTP_PORT, "TCP")],
                    )
                ],
            ),
        }
        return [
            networking.v1.NetworkPolicy(
                rule,
                metadata=self.scope.metadata(rule),
                spec=spec,
                opts=self._options,
            )
            for rule, spec in rules.items()
        ]


def namespace_labels(stack: StackName) -> dict[str, str]:
    """Return the namespace's labels: its stack, and the standards that Kubernetes enforces.

    The commit is not among them, so that a push leaves the namespace alone.
    """
    labels = {
        "app.kubernetes.io/managed-by": "pulumi",
        **dict([PART_OF]),
        STACK_LABEL: stack.name,
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/audit": "restricted",
        # A new pod counts as ready only when the load balancer has found it healthy, so that
        # a rollout never takes the last working target away. One label for each controller.
        "elbv2.k8s.aws/pod-readiness-gate-inject": "enabled",
        "eks.amazonaws.com/pod-readiness-gate-inject": "enabled",
    }
    if stack.pull_request is not None:
        labels[PULL_REQUEST_LABEL] = str(stack.pull_request)
    return labels


def quota(resources: ServiceConfig) -> dict[str, str]:
    """Return the quota: the resources of the service at its largest."""
    pods = resources.max_replicas + _EXTRA_PODS
    memory = f"{pods * int(resources.memory.removesuffix('Mi'))}Mi"
    return {
        "pods": str(pods),
        "requests.cpu": f"{pods * _millicores(resources.cpu)}m",
        "requests.memory": memory,
        "limits.cpu": f"{pods * _millicores(resources.cpu_limit)}m",
        "limits.memory": memory,
        # Nothing here stores anything or opens another way in.
        "persistentvolumeclaims": "0",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def _millicores(cpu: str) -> int:
    match = re.fullmatch(r"(\d+)(m?)", cpu)
    if match is None:
        msg = f"expected CPU such as 250m or 1, got {cpu!r}"
        raise ValueError(msg)
    return int(match[1]) * (1 if match[2] else 1000)
