"""A stack's namespace and its guard rails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core, meta, networking

from contract.app.needs import MAIL, REDIS
from contract.bounds import mebibytes, millicores
from contract.kubernetes import PULL_REQUEST_LABEL, STACK_LABEL
from infra.config.models import EgressBy
from infra.kubernetes.namespace_scope import NamespaceScope
from infra.kubernetes.network_rules import (
    hosts_policy,
    networks,
    port,
    to_database,
    to_dns,
    to_public_addresses,
)
from infra.kubernetes.pod import NAME_LABEL, SERVICE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.app.model import Egress
    from contract.stack_name import StackName
    from infra.app.sizes import AppSizes
    from infra.platform_inputs import PlatformInputs

PART_OF = ("app.kubernetes.io/part-of", "previews")
"""Label of every stack's namespace, which the shared IngressClass selects."""

DEFAULT_DENY = "default-deny"
"""Name of the NetworkPolicy that denies what no other allows."""

PREPARE = "prepare"
"""Name of the Job that prepares a database, in the label of its pods."""

# One name for both kinds of policy, so that never both exist.
_EGRESS = "allow-app-egress"
_HOSTS = "previews/hosts"
_NEEDED = [REDIS, MAIL]
# Not the Job that has the master user's password, and sees every row before the scrub.
NOT_OF_THE_APP = {"key": NAME_LABEL, "operator": "NotIn", "values": [PREPARE, *_NEEDED]}
"""Expression of `OF_THE_APP`, for objects that no SDK has a type of."""


def _all_but(names: Sequence[str]) -> meta.v1.LabelSelectorArgs:
    return meta.v1.LabelSelectorArgs(
        match_expressions=[
            meta.v1.LabelSelectorRequirementArgs(key=NAME_LABEL, operator="NotIn", values=[*names])
        ]
    )


OF_THE_APP = _all_but([PREPARE, *_NEEDED])
"""Selector of the pods that run the app's own code."""

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
        sizes: AppSizes,
        ports: Mapping[str, int],
        platform: PlatformInputs,
        egress: Sequence[Egress] = (),
        egress_by: EgressBy = EgressBy.ADDRESS,
        depends_on: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the namespace.

        Args:
            stack: Stack that the namespace is named after.
            sizes: Sizes of the app's containers; the quota follows from them.
            ports: Port of each web service, by the name of its pods.
            platform: The networks of database, load balancer and name server.
            egress: Hosts that the app connects to.
            egress_by: How they are told from others.
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
                    delete=f"{sizes.service.resources.grace_period_seconds + _END_SECONDS}s"
                ),
            ),
        )
        self.scope = NamespaceScope(stack.namespace, namespace)
        self._options = self.scope.deleted_with_namespace(self)
        self.guards = [
            self._quota(sizes),
            self._limits(sizes),
            self._service_account(),
            *self._network(platform, ports),
            *self._egress(egress, egress_by, platform),
        ]
        self.register_outputs({"name": stack.namespace})

    def _quota(self, sizes: AppSizes) -> core.v1.ResourceQuota:
        return core.v1.ResourceQuota(
            "quota",
            metadata=self.scope.metadata("quota"),
            spec=core.v1.ResourceQuotaSpecArgs(hard=quota(sizes)),
            opts=self._options,
        )

    def _limits(self, sizes: AppSizes) -> core.v1.LimitRange:
        """Defaults of a container without resources, and the most that one may request."""
        resources = sizes.service.resources
        largest = [part.resources for part in sizes.parts]
        most = {
            "cpu": max((one.cpu_limit for one in largest), key=millicores),
            "memory": max((one.memory for one in largest), key=mebibytes),
        }
        return core.v1.LimitRange(
            "limits",
            metadata=self.scope.metadata("limits"),
            spec=core.v1.LimitRangeSpecArgs(
                limits=[
                    core.v1.LimitRangeItemArgs(
                        type="Container",
                        default={"cpu": resources.cpu_limit, "memory": resources.memory},
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

    def _network(
        self, platform: PlatformInputs, ports: Mapping[str, int]
    ) -> list[networking.v1.NetworkPolicy]:
        """Only DNS, the database and the load balancer are allowed, in or out."""
        everyone = meta.v1.LabelSelectorArgs()
        rules = {
            DEFAULT_DENY: networking.v1.NetworkPolicySpecArgs(
                pod_selector=everyone, policy_types=["Ingress", "Egress"]
            ),
            "allow-dns-and-database": networking.v1.NetworkPolicySpecArgs(
                # Servers that the app needs reach nothing.
                pod_selector=_all_but(_NEEDED),
                policy_types=["Egress"],
                egress=[to_dns(platform), to_database(platform)],
            ),
        } | {
            f"allow-load-balancer-{name}": networking.v1.NetworkPolicySpecArgs(
                pod_selector=meta.v1.LabelSelectorArgs(match_labels={NAME_LABEL: name}),
                policy_types=["Ingress"],
                ingress=[
                    networking.v1.NetworkPolicyIngressRuleArgs(
                        from_=networks(platform.ingress.source_cidrs),
                        ports=[port(number, "TCP")],
                    )
                ],
            )
            for name, number in ports.items()
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

    def _egress(
        self, egress: Sequence[Egress], by: EgressBy, platform: PlatformInputs
    ) -> list[pulumi.Resource]:
        """Declare the way out to the app's hosts, for the pods of the app's own code."""
        if not egress:
            return []
        metadata = self.scope.metadata(_EGRESS, annotations={_HOSTS: described(egress)})
        if by is EgressBy.NAME:
            return [
                hosts_policy(
                    _EGRESS,
                    metadata=metadata,
                    pods=[NOT_OF_THE_APP],
                    hosts=[(one.host, one.port) for one in egress],
                    platform=platform,
                    opts=self._options,
                )
            ]
        return [
            networking.v1.NetworkPolicy(
                _EGRESS,
                metadata=metadata,
                spec=networking.v1.NetworkPolicySpecArgs(
                    pod_selector=OF_THE_APP,
                    policy_types=["Egress"],
                    egress=[to_public_addresses((one.port for one in egress), platform)],
                ),
                opts=self._options,
            )
        ]


def described(egress: Sequence[Egress]) -> str:
    """Return the hosts as people read them: ``api.stripe.com:443, smtp.example.com:587``."""
    return ", ".join(sorted({f"{each.host}:{each.port}" for each in egress}))


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


def quota(sizes: AppSizes) -> dict[str, str]:
    """Return the quota: the resources of the app at its largest, and of one Job."""
    pods = [(part.resources, part.most_pods) for part in sizes.parts]
    pods.append((sizes.service.resources, 1))
    memory = f"{sum(mebibytes(one.memory) * count for one, count in pods)}Mi"
    return {
        "pods": str(sum(count for _, count in pods)),
        "requests.cpu": f"{sum(millicores(one.cpu) * count for one, count in pods)}m",
        "requests.memory": memory,
        "limits.cpu": f"{sum(millicores(one.cpu_limit) * count for one, count in pods)}m",
        "limits.memory": memory,
        # Nothing here stores anything or opens another way in.
        "persistentvolumeclaims": "0",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }
