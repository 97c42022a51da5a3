"""VPC endpoints: routes from private subnets to AWS services that avoid the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import ec2

if TYPE_CHECKING:
    from collections.abc import Sequence

# Services that nodes, controllers and previews use where there is no other route: to join the
# cluster, to pull an image, to assume a role, to read a secret, to write a log.
SERVICES = (
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "eks",
    "eks-auth",
    "elasticloadbalancing",
    "kms",
    "logs",
    "secretsmanager",
    "sts",
)
_HTTPS = 443


class PrivateEndpoints(pulumi.ComponentResource):
    """Endpoints in the VPC.

    The one to S3, which holds the layers of every image, costs nothing and is always there.
    The others cost some dollars a month each, and are there instead of a NAT gateway.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        region: pulumi.Input[str],
        vpc_id: pulumi.Input[str],
        vpc_cidr: str,
        subnet_ids: Sequence[pulumi.Input[str]],
        route_table_ids: Sequence[pulumi.Input[str]],
        all_services: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the endpoints.

        Args:
            cluster: Name of the cluster, after which everything is named.
            region: AWS region.
            vpc_id: ID of the VPC.
            vpc_cidr: Network from which the endpoints can be reached.
            subnet_ids: Subnets of the endpoints.
            route_table_ids: Tables that get a route to S3.
            all_services: True where there is no other route to AWS services.
        """
        super().__init__("previews:platform:PrivateEndpoints", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        ec2.VpcEndpoint(
            "s3",
            vpc_id=vpc_id,
            service_name=_service(region, "s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=list(route_table_ids),
            tags={"Name": f"{cluster}-s3"},
            opts=child,
        )
        if all_services:
            firewall = ec2.SecurityGroup(
                "endpoints",
                name=f"{cluster}-endpoints",
                description="AWS's services, from inside the VPC",
                vpc_id=vpc_id,
                ingress=[
                    ec2.SecurityGroupIngressArgs(
                        description="HTTPS from the VPC",
                        protocol="tcp",
                        from_port=_HTTPS,
                        to_port=_HTTPS,
                        cidr_blocks=[vpc_cidr],
                    )
                ],
                opts=child,
            )
            for service in SERVICES:
                ec2.VpcEndpoint(
                    service,
                    vpc_id=vpc_id,
                    service_name=_service(region, service),
                    vpc_endpoint_type="Interface",
                    private_dns_enabled=True,
                    subnet_ids=list(subnet_ids),
                    security_group_ids=[firewall.id],
                    tags={"Name": f"{cluster}-{service}"},
                    opts=child,
                )
        self.register_outputs({})


def _service(region: pulumi.Input[str], service: str) -> pulumi.Output[str]:
    return pulumi.Output.concat("com.amazonaws.", region, ".", service)
