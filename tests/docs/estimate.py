"""The costs of the platform and of a preview, computed from the declared resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from previews.reporting.cost import Cost, PlatformSizes, PreviewSizes, platform_cost, preview_cost
from previews.reporting.prices import HOURS_PER_MONTH
from previews.reporting.prices import read as read_prices
from tests.infra.world import Deployment

REGION = "us-east-1"
# What EKS Auto Mode is likely to choose: the smallest of the pool's kinds, of its oldest
# generation above the fifth, for which there is a price.
NODE = "m7i.large"
_DAYS = HOURS_PER_MONTH / 24


def of_type(deployment: Deployment, token: str) -> list[Mapping[str, Any]]:
    """Return the inputs of every resource of a type."""
    return [r.inputs for r in deployment.registrations if r.type == token]


def platform_sizes(staging: Deployment) -> PlatformSizes:
    """Return staging's sizes: one node for each pool, and all other resources with a price."""
    (database,) = of_type(staging, "aws:rds/instance:Instance")
    (cluster,) = of_type(staging, "eks:index:Cluster")
    pools = len(cluster["autoMode"]["computeConfig"]["nodePools"])
    pools += len(of_type(staging, "kubernetes:karpenter.sh/v1:NodePool"))
    (node_class,) = of_type(staging, "kubernetes:eks.amazonaws.com/v1:NodeClass")
    (ingress,) = of_type(staging, "kubernetes:eks.amazonaws.com/v1:IngressClassParams")
    public = ingress["spec"]["scheme"] == "internet-facing"
    zones = len(of_type(staging, "aws:ec2/subnet:Subnet")) // 3
    return PlatformSizes(
        region=REGION,
        database_class=database["instanceClass"],
        database_gib=int(database["allocatedStorage"]),
        database_multi_az=database["multiAz"],
        log_types=tuple(cluster["enabledClusterLogTypes"]),
        nodes={NODE: pools},
        node_gib=int(str(node_class["spec"]["ephemeralStorage"]["size"]).removesuffix("Gi")),
        nat_gateways=len(of_type(staging, "aws:ec2/natGateway:NatGateway")),
        load_balancers=1,
        # One in each zone; those of NAT gateways are counted with them.
        public_addresses=zones if public else 0,
        # RDS keeps one for its master user.
        secrets=1,
        keys=len(of_type(staging, "aws:kms/key:Key")),
        # The program makes none: it is there before, and stays.
        hosted_zones=1,
    )


def preview_sizes(preview: Deployment, staging: Deployment) -> PreviewSizes:
    """One preview's sizes."""
    (database,) = of_type(preview, "aws:rds/instance:Instance")
    (origin,) = of_type(staging, "aws:rds/instance:Instance")
    (scaled,) = of_type(preview, "kubernetes:autoscaling/v2:HorizontalPodAutoscaler")
    (deployment,) = of_type(preview, "kubernetes:apps/v1:Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    asked = container["resources"]["requests"]
    pods = int(scaled["spec"]["minReplicas"])
    return PreviewSizes(
        region=REGION,
        database_class=database["instanceClass"],
        # A restored instance has as much storage as its origin.
        database_gib=int(origin["allocatedStorage"]),
        pods=pods,
        cpu_millicores=pods * int(str(asked["cpu"]).removesuffix("m")),
        memory_mib=pods * int(str(asked["memory"]).removesuffix("Mi")),
        secrets=1,
        node=NODE,
    )


def tables(staging: Deployment, preview: Deployment) -> tuple[str, str]:
    """Both costs, as docs/getting-started-aws.md has them."""
    prices = read_prices()
    return (
        _table(platform_cost(platform_sizes(staging), prices)),
        _table(preview_cost(preview_sizes(preview, staging), prices)),
    )


def _table(cost: Cost) -> str:
    rows = [
        f"| {line.what}{'' if line.verified else ' (*)'} | {line.a_day * _DAYS:.2f} |"
        for line in cost.lines
    ]
    total = cast("Any", cost.a_month)
    return "\n".join(
        ["| what | dollars a month |", "|---|---:|", *rows, f"| **together** | **{total:.0f}** |"]
    )
