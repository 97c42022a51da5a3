"""The nodes of previews, in a cluster in Auto Mode that the program makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions, core, meta

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "previews"
_EKS_API = "eks.amazonaws.com/v1"
_KARPENTER_API = "karpenter.sh/v1"


class NodePool(pulumi.ComponentResource):
    """Nodes on which a pod may talk to nobody until a NetworkPolicy says otherwise.

    Attributes:
        ready: What must be there before a pod can start on such a node.
    """

    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        node_role: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        security_group_id: pulumi.Input[str],
        max_cpus: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the nodes' class and pool.

        Args:
            name: Pulumi's name of the component.
            node_role: Name of the nodes' IAM role.
            subnet_ids: Private subnets for them.
            security_group_id: The cluster's security group.
            max_cpus: Most CPUs of all of them together.
            opts: Pulumi's options; they bring the provider of the cluster.
        """
        super().__init__("previews:platform:NodePool", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Without it NetworkPolicies are accepted and ignored.
        enforcement = core.v1.ConfigMap(
            "network-policy",
            metadata=meta.v1.ObjectMetaArgs(name="amazon-vpc-cni", namespace="kube-system"),
            data={"enable-network-policy-controller": "true"},
            opts=child,
        )
        node_class = apiextensions.CustomResource(
            "node-class",
            api_version=_EKS_API,
            kind="NodeClass",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            spec=node_class_spec(node_role, subnet_ids, security_group_id),
            opts=child,
        )
        pool = apiextensions.CustomResource(
            "node-pool",
            api_version=_KARPENTER_API,
            kind="NodePool",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            spec=node_pool_spec(max_cpus),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[node_class]),
        )
        self.ready = [enforcement, pool]
        self.register_outputs({})


def node_class_spec(
    role: pulumi.Input[str],
    subnet_ids: Sequence[pulumi.Input[str]],
    security_group_id: pulumi.Input[str],
) -> dict[str, object]:
    """Where nodes are, and what their network lets pass."""
    return {
        "role": role,
        "subnetSelectorTerms": [{"id": subnet} for subnet in subnet_ids],
        "securityGroupSelectorTerms": [{"id": security_group_id}],
        # In the other mode everything passes in a pod's first seconds
        # (aws-network-policy-agent#83, #345).
        "networkPolicy": "DefaultDeny",
        "networkPolicyEventLogs": "Enabled",
        "ephemeralStorage": {"size": "80Gi"},
    }


def node_pool_spec(max_cpus: int) -> dict[str, object]:
    """Which instances nodes are, and how many there may be."""
    return {
        "limits": {"cpu": str(max_cpus)},
        "disruption": {
            "consolidationPolicy": "WhenEmptyOrUnderutilized",
            "consolidateAfter": "5m",
            "budgets": [{"nodes": "1"}],
        },
        "template": {
            "spec": {
                "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": NAME},
                # A node is replaced by one with the newest image after two weeks.
                "expireAfter": "336h",
                "terminationGracePeriod": "1h",
                "requirements": [
                    _in("kubernetes.io/arch", "amd64"),
                    _in("kubernetes.io/os", "linux"),
                    _in("karpenter.sh/capacity-type", "on-demand"),
                    _in("eks.amazonaws.com/instance-category", "c", "m"),
                    {
                        "key": "eks.amazonaws.com/instance-generation",
                        "operator": "Gt",
                        "values": ["5"],
                    },
                ],
            }
        },
    }


def _in(key: str, *values: str) -> dict[str, object]:
    return {"key": key, "operator": "In", "values": list(values)}
