"""The EKS cluster that everything runs on, and the look-up of an existing one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import ec2, eks

from infra.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Cluster:
    """Properties of a cluster that the program uses.

    Attributes:
        name: Name.
        region: AWS region.
        vpc_id: ID of the VPC.
        vpc_cidrs: Networks of the VPC.
        subnet_ids: Subnets that the cluster was created with.
        security_group_id: Security group that EKS puts around its nodes and pods.
        service_cidrs: Networks of its Services.
        oidc_issuer: Issuer of its service accounts' tokens, without ``https://``.
        oidc_provider_arn: ARN of the IAM identity provider of that issuer.
        auto_mode: True if it runs in EKS Auto Mode.
    """

    name: pulumi.Input[str]
    region: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    vpc_cidrs: tuple[str, ...]
    subnet_ids: tuple[pulumi.Input[str], ...]
    security_group_id: pulumi.Input[str]
    service_cidrs: tuple[str, ...]
    oidc_issuer: pulumi.Input[str]
    oidc_provider_arn: pulumi.Input[str]
    auto_mode: bool


def look_up_cluster(name: str) -> Cluster:
    """Look up an existing cluster in AWS.

    Raises:
        ProgramError: There is no such cluster, or it cannot be used.
    """
    remedy = (
        f"check previews:cluster.name, the AWS account and AWS_REGION: "
        f"`aws eks describe-cluster --name {name}` must show the cluster as ACTIVE, with an "
        "OIDC issuer"
    )
    try:
        found = eks.get_cluster(name=name)
    except Exception as error:  # the SDK raises no narrower one
        raise ProgramError(f"EKS cluster {name}", why=str(error), remedy=remedy) from error
    issuer = _issuer(found)
    if issuer is None:
        why = "it has no OIDC issuer"
        raise ProgramError(f"EKS cluster {name}", why=why, remedy=remedy)
    network = found.vpc_config
    # arn:<partition>:eks:<region>:<account>:cluster/<name>
    _, partition, _, region, account, *_ = found.arn.split(":")
    return Cluster(
        name=name,
        region=region,
        vpc_id=network.vpc_id,
        vpc_cidrs=vpc_cidrs(network.vpc_id),
        subnet_ids=tuple(sorted(network.subnet_ids)),
        security_group_id=network.cluster_security_group_id,
        service_cidrs=tuple(
            config.service_ipv4_cidr
            for config in found.kubernetes_network_configs or ()
            if config.service_ipv4_cidr
        ),
        oidc_issuer=issuer,
        oidc_provider_arn=f"arn:{partition}:iam::{account}:oidc-provider/{issuer}",
        auto_mode=any(config.enabled for config in found.compute_configs or ()),
    )


def subnet_cidrs(subnet_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the networks of subnets, sorted."""
    return tuple(sorted(ec2.get_subnet(id=subnet).cidr_block for subnet in subnet_ids))


def vpc_cidrs(vpc_id: str) -> tuple[str, ...]:
    """Return all networks of a VPC, which may have more than it was created with."""
    vpc = ec2.get_vpc(id=vpc_id)
    others = {association.cidr_block for association in vpc.cidr_block_associations or ()}
    return tuple(sorted({vpc.cidr_block, *others}))


def _issuer(cluster: eks.GetClusterResult) -> str | None:
    for identity in cluster.identities or ():
        for oidc in identity.oidcs or ():
            return oidc.issuer.removeprefix("https://")
    return None
