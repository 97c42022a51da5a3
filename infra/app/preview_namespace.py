"""A stack's namespace and its guard rails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core, meta, networking

from infra.kubernetes.namespace_scope import Home
from infra.kubernetes.network_rules import networks, port, to_database, to_dns
from infra.kubernetes.pod import HTTP_PORT, NAME_LABEL, SERVICE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.config.models import ServiceConfig
    from infra.platform_outputs import PlatformFacts

PART_OF = ("app.kubernetes.io/part-of", "previews")
"""A label of every stack's namespace, by which others know one."""

# While a Deployment rolls, a new pod and one that ends come on top of its replicas; a Job's pod
# may run at the same time.
_EXTRA_PODS = 3

# Beyond the pods' own time: what controllers clear away before their finalizers go.
_END_SECONDS = 240


class PreviewNamespace(pulumi.ComponentResource):
    """A namespace in which little can go wrong, and nothing for its neighbours.

    Attributes:
        home: The namespace.
        guards: All of its guard rails; pods come after them.
    """

    home: Home
    guards: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        sizes: ServiceConfig,
        platform: PlatformFacts,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the namespace.

        Args:
            name: Pulumi's name of the component.
            stack: Whose name the namespace gets.
            sizes: What the service's pods need; the quota follows from it.
            platform: The networks of database, load balancer and name server.
            after: What must be there first; everything in the namespace comes after it too.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:PreviewNamespace", name, None, opts)
        namespace = core.v1.Namespace(
            "namespace",
            metadata=meta.v1.ObjectMetaArgs(name=stack.namespace, labels=namespace_labels(stack)),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*after],
                # One that can't end is told of, rather than waited for until the job's own limit.
                custom_timeouts=pulumi.CustomTimeouts(
                    delete=f"{sizes.grace_period_seconds + _END_SECONDS}s"
                ),
            ),
        )
        self.home = Home(stack.namespace, namespace)
        self._options = self.home.goes_with(self)
        self.guards = [
            self._quota(sizes),
            self._limits(sizes),
            self._service_account(),
            *self._network(platform),
        ]
        self.register_outputs({"name": stack.namespace})

    def _quota(self, sizes: ServiceConfig) -> core.v1.ResourceQuota:
        return core.v1.ResourceQuota(
            "quota",
            metadata=self.home.metadata("quota"),
            spec=core.v1.ResourceQuotaSpecArgs(hard=quota(sizes)),
            opts=self._options,
        )

    def _limits(self, sizes: ServiceConfig) -> core.v1.LimitRange:
        """What a container gets that names no resources, and the most it can name."""
        most = {"cpu": sizes.cpu_limit, "memory": sizes.memory}
        return core.v1.LimitRange(
            "limits",
            metadata=self.home.metadata("limits"),
            spec=core.v1.LimitRangeSpecArgs(
                limits=[
                    core.v1.LimitRangeItemArgs(
                        type="Container",
                        default=most,
                        default_request={"cpu": sizes.cpu, "memory": sizes.memory},
                        max=most,
                    )
                ]
            ),
            opts=self._options,
        )

    def _service_account(self) -> core.v1.ServiceAccount:
        """The pods' account. It has no rights, and its token is in no pod."""
        return core.v1.ServiceAccount(
            "service-account",
            metadata=self.home.metadata(SERVICE_ACCOUNT),
            automount_service_account_token=False,
            opts=self._options,
        )

    def _network(self, platform: PlatformFacts) -> list[networking.v1.NetworkPolicy]:
        """Nothing gets in or out, but for DNS, the database and the load balancer."""
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
                        from_=networks(platform.load_balancer_cidrs),
                        ports=[port(HTTP_PORT, "TCP")],
                    )
                ],
            ),
        }
        return [
            networking.v1.NetworkPolicy(
                rule,
                metadata=self.home.metadata(rule),
                spec=spec,
                opts=self._options,
            )
            for rule, spec in rules.items()
        ]


def namespace_labels(stack: StackName) -> dict[str, str]:
    """Labels of the namespace: which stack's it is, and what Kubernetes is to enforce.

    The commit is not among them, so that a push leaves the namespace alone.
    """
    labels = {
        "app.kubernetes.io/managed-by": "pulumi",
        **dict([PART_OF]),
        "previews/stack": stack.value,
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
        labels["previews/pull-request"] = str(stack.pull_request)
    return labels


def quota(sizes: ServiceConfig) -> dict[str, str]:
    """The most that a namespace may hold: what its service needs at its largest."""
    pods = sizes.max_replicas + _EXTRA_PODS
    memory = f"{pods * int(sizes.memory.removesuffix('Mi'))}Mi"
    return {
        "pods": str(pods),
        "requests.cpu": f"{pods * _millicores(sizes.cpu)}m",
        "requests.memory": memory,
        "limits.cpu": f"{pods * _millicores(sizes.cpu_limit)}m",
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
