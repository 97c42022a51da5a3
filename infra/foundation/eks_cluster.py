"""An EKS cluster that the program creates, in Auto Mode.

AWS runs its nodes, their storage and network, the load balancers and the name server. Nodes
answer IMDSv2 alone, at one hop, which Auto Mode does not let anybody change; no pod reaches it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
from pulumi_aws import cloudwatch, iam

from infra.config.cluster import SERVICE_CIDR
from infra.foundation.cluster import Cluster
from infra.foundation.encryption_key import EncryptionKey
from infra.versions import pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.cluster import ClusterConfig

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_LOG_DAYS = 90

# Of the two built-in pools the one for controllers, which keeps other pods out by a taint.
# Previews get a pool of their own, in infra/foundation/node_pool.py.
_BUILT_IN_POOLS = ("system",)
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


class EksCluster(pulumi.ComponentResource):
    """A cluster with private nodes, encrypted Secrets, logs, and access by IAM alone.

    Attributes:
        cluster: Properties of the cluster.
        kubeconfig: Kubeconfig for the identity that runs this program.
        node_role: Name of the IAM role of its nodes.
        may_tag: Permission without which EKS creates nothing that has tags of ours.
    """

    cluster: Cluster
    kubeconfig: pulumi.Output[str]
    node_role: pulumi.Output[str]
    may_tag: iam.RolePolicy

    def __init__(
        self,
        name: str,
        *,
        config: ClusterConfig,
        vpc_id: pulumi.Input[str],
        vpc_cidrs: Sequence[str],
        node_subnet_ids: Sequence[pulumi.Input[str]],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the cluster.

        Args:
            config: Name, networks and administrators.
            vpc_id: VPC of the cluster.
            vpc_cidrs: Networks of the VPC.
            node_subnet_ids: Private subnets for nodes and control plane.
            depends_on: Resources that nodes depend on.
        """
        super().__init__("previews:platform:EksCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        secrets = EncryptionKey(
            "cluster-secrets",
            alias=f"{config.name}-cluster-secrets",
            purpose=f"Secrets of the EKS cluster {config.name}",
            opts=child,
        )
        logs = cloudwatch.LogGroup(
            "control-plane",
            # The name that EKS expects; a log group that EKS creates would never expire.
            name=f"/aws/eks/{config.name}/cluster",
            retention_in_days=_LOG_DAYS,
            opts=child,
        )
        created = eks.Cluster(
            "cluster",
            name=config.name,
            version=pinned().kubernetes,
            authentication_mode=eks.AuthenticationMode.API,
            access_entries={arn: _administrator(arn) for arn in config.admins},
            auto_mode=eks.AutoModeOptionsArgs(
                enabled=True,
                compute_config=eks.ClusterComputeConfigArgs(node_pools=list(_BUILT_IN_POOLS)),
            ),
            # Auto Mode runs the name server itself. pulumi-eks would install the add-on too, which
            # never gets ready (pulumi-eks#1726).
            coredns_addon_options=eks.CoreDnsAddonOptionsArgs(enabled=False),
            # Auto Mode has no node group, but without this pulumi-eks declares its role, profile
            # and access entry.
            skip_default_node_group=True,
            # AWS upgrades the cluster when its version's standard support ends. The default keeps
            # the version, at six times the price.
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            # Each preview's SecretStore has a role of its own by it.
            create_oidc_provider=True,
            vpc_id=vpc_id,
            private_subnet_ids=list(node_subnet_ids),
            kubernetes_service_ip_address_range=SERVICE_CIDR,
            endpoint_private_access=True,
            endpoint_public_access=True,
            public_access_cidrs=list(config.api_cidrs or ()),
            encryption_config_key_arn=secrets.arn,
            enabled_cluster_log_types=list(LOGS),
            deletion_protection=config.deletion_protection,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logs, *depends_on]),
        )
        self.kubeconfig = created.kubeconfig_json
        self.node_role = created.auto_mode_node_role_name
        self.cluster = Cluster(
            # Derived from an output of the cluster, so that users of the name depend on it.
            name=created.oidc_issuer.apply(lambda _: config.name),
            region=aws.get_region_output(opts=pulumi.InvokeOptions(parent=self)).region,
            vpc_id=vpc_id,
            vpc_cidrs=tuple(vpc_cidrs),
            subnet_ids=tuple(node_subnet_ids),
            security_group_id=created.cluster_security_group_id,
            service_cidrs=(SERVICE_CIDR,),
            oidc_issuer=created.oidc_issuer,
            oidc_provider_arn=created.oidc_provider_arn,
            auto_mode=True,
        )
        self.may_tag = iam.RolePolicy(
            "tagging",
            name="tag-nodes-and-load-balancers",
            role=_role_of(self.cluster.name, self),
            policy=tagging_policy(),
            opts=child,
        )
        self.register_outputs({"name": self.cluster.name})


def tagging_policy() -> str:
    """Return the policy that lets EKS tag nodes and load balancers as NodeClass and class say.

    AWS's own policies of Auto Mode allow only EKS's tags
    (https://docs.aws.amazon.com/eks/latest/userguide/auto-cluster-iam-role.html).
    """
    of_the_cluster = {
        "StringEquals": {
            "aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"
        }
    }
    of_a_node = {
        **of_the_cluster,
        "StringLike": {
            "aws:RequestTag/eks:kubernetes-node-class-name": "*",
            "aws:RequestTag/eks:kubernetes-node-pool-name": "*",
        },
    }
    of_an_interface = {
        **of_the_cluster,
        "StringLike": {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"},
    }
    statements = [
        (["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"], of_a_node),
        (["ec2:CreateNetworkInterface"], of_an_interface),
        (
            [
                "ec2:CreateSecurityGroup",
                "elasticloadbalancing:CreateListener",
                "elasticloadbalancing:CreateLoadBalancer",
                "elasticloadbalancing:CreateRule",
                "elasticloadbalancing:CreateTargetGroup",
            ],
            of_the_cluster,
        ),
    ]
    allowed = [
        {"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition}
        for actions, condition in statements
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed}, sort_keys=True)


def _role_of(cluster: pulumi.Input[str], parent: pulumi.Resource) -> pulumi.Output[str]:
    """Return the name of the role that pulumi-eks has created for a cluster."""
    found = aws.eks.get_cluster_output(name=cluster, opts=pulumi.InvokeOptions(parent=parent))
    return found.role_arn.apply(lambda arn: arn.rpartition("/")[2])


def _administrator(arn: str) -> eks.AccessEntryArgs:
    return eks.AccessEntryArgs(
        principal_arn=arn,
        access_policies={
            "admin": eks.AccessPolicyAssociationArgs(
                policy_arn=_ADMIN_POLICY,
                access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            )
        },
    )
