"""The nodes of previews, in a new cluster in Auto Mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core, meta

from infra.kubernetes.custom_object import CustomObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "previews"
_EKS_API = "eks.amazonaws.com/v1"
_KARPENTER_API = "karpenter.sh/v1"


class NodePool(pulumi.ComponentResource):
    """Nodes on which a pod has no network access until a NetworkPolicy allows it.

    Attributes:
        ready: Resources that a pod on such a node depends on.
    """

    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        node_role: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        security_group_id: pulumi.Input[str],
        tags: Mapping[str, str],
        max_cpus: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the nodes' class and pool.

        Args:
            node_role: Name of the nodes' IAM role.
            subnet_ids: Private subnets of the nodes.
            security_group_id: Security group of the cluster.
            tags: Tags of the nodes and their disks.
            max_cpus: Maximum number of CPUs of all nodes together.
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
        node_class = CustomObject(
            "node-class",
            api_version=_EKS_API,
            kind="NodeClass",
            name=NAME,
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            spec=node_class_spec(node_role, subnet_ids, security_group_id, tags),
            opts=child,
        )
        pool = CustomObject(
            "node-pool",
            api_version=_KARPENTER_API,
            kind="NodePool",
            name=NAME,
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            spec=node_pool_spec(node_class.checked_name, max_cpus),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[node_class]),
        )
        self.ready = [enforcement, pool]
        self.register_outputs({})


def node_class_spec(
    role: pulumi.Input[str],
    subnet_ids: Sequence[pulumi.Input[str]],
    security_group_id: pulumi.Input[str],
    tags: Mapping[str, str],
) -> dict[str, object]:
    """Return the NodeClass: subnets, security group, network policy and tags of nodes."""
    return {
        "role": role,
        "subnetSelectorTerms": [{"id": subnet} for subnet in subnet_ids],
        "securityGroupSelectorTerms": [{"id": security_group_id}],
        # In the other mode everything is allowed in a pod's first seconds
        # (aws-network-policy-agent#83, #345).
        "networkPolicy": "DefaultDeny",
        "networkPolicyEventLogs": "Enabled",
        "ephemeralStorage": {"size": "80Gi"},
        "tags": dict(tags),
    }


def node_pool_spec(node_class: pulumi.Input[str], max_cpus: int) -> dict[str, object]:
    """Return the NodePool: instance types and limits of nodes."""
    return {
        "limits": {"cpu": str(max_cpus)},
        "disruption": {
            "consolidationPolicy": "WhenEmptyOrUnderutilized",
            "consolidateAfter": "5m",
            "budgets": [{"nodes": "1"}],
        },
        "template": {
            "spec": {
                "nodeClassRef": {
                    "group": "eks.amazonaws.com",
                    "kind": "NodeClass",
                    "name": node_class,
                },
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
