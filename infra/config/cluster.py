"""Configuration of the cluster that previews run on, and of its network."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from infra.config.base import Model

SERVICE_CIDR = "172.20.0.0/16"
"""Addresses of Services in a cluster that the program creates."""

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")]
Cidr = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])$")]

# A load balancer needs eight free addresses in each public subnet, which get 1/256 of the VPC.
_LONGEST_PREFIX = 18


class NetworkConfig(Model):
    """The network of a new cluster (keys ``previews:network``)."""

    vpc_id: str | None = Field(
        default=None,
        pattern=r"^vpc-[0-9a-z]+$",
        description="an existing VPC for the cluster that is created; without it a VPC is created",
        examples=["vpc-0123456789abcdef0"],
    )
    node_subnet_ids: tuple[SubnetId, ...] | None = Field(
        default=None,
        min_length=2,
        description="with vpcId: at least two private subnets in two zones, for nodes and pods",
        examples=[["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]],
        validate_default=True,
    )
    cidr: Cidr = Field(
        default="10.64.0.0/16",
        description="addresses of the VPC that is created, a /16 to /18",
        examples=["10.64.0.0/16"],
    )
    zones: int = Field(
        default=2,
        ge=2,
        le=4,
        description="number of availability zones of the VPC that is created; AWS names them",
        examples=[2],
    )
    egress: Literal["nat", "nat-per-zone", "endpoints"] = Field(
        default="nat",
        description="how private subnets get out: one NAT gateway, one in each zone,"
        " or only to AWS's own services",
        examples=["nat"],
    )

    @field_validator("node_subnet_ids")
    @classmethod
    def _belong_to_an_existing_vpc(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if (value is None) != (info.data.get("vpc_id") is None):
            msg = "vpcId and nodeSubnetIds go together: give both or neither"
            raise ValueError(msg)
        return value

    @field_validator("cidr")
    @classmethod
    def _is_large_enough_and_apart(cls, value: str) -> str:
        network = IPv4Network(value)
        if network.prefixlen > _LONGEST_PREFIX or not network.is_private:
            msg = f"it must be a private network of at least a /{_LONGEST_PREFIX}"
            raise ValueError(msg)
        if network.overlaps(IPv4Network(SERVICE_CIDR)):
            msg = f"it must not overlap {SERVICE_CIDR}, the addresses of Services"
            raise ValueError(msg)
        return value


PrincipalArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+$")
]


class ClusterConfig(Model):
    """The cluster that previews run on (keys ``previews:cluster``)."""

    name: str = Field(
        pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$",
        description="name of the EKS cluster, and of the kubeconfig's context for it",
        examples=["previews"],
    )
    create: bool = Field(
        default=False,
        description="true to create the cluster, in EKS Auto Mode;"
        " without it the existing one of that name is used",
        examples=[True],
    )
    api_cidrs: tuple[Cidr, ...] | None = Field(
        default=None,
        min_length=1,
        description="with create: networks from which the Kubernetes API can be reached,"
        " those of your people and of CI",
        examples=[["203.0.113.0/24"]],
        validate_default=True,
    )
    admins: tuple[PrincipalArn, ...] = Field(
        default=(),
        description="with create: IAM roles and users that administer the cluster,"
        " besides its creator",
        examples=[["arn:aws:iam::123456789012:role/platform"]],
    )
    max_cpus: int = Field(
        default=32,
        ge=4,
        le=10000,
        description="with create: most CPUs of all nodes of previews together",
        examples=[32],
    )
    external_secrets_image: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}$",
        description="with create: a copy of External Secrets' image, by digest, where nodes reach"
        " AWS alone",
        examples=["123456789012.dkr.ecr.eu-west-1.amazonaws.com/eso@sha256:" + 64 * "0"],
    )
    deletion_protection: bool = Field(
        default=True,
        description="with create: true for AWS to refuse to delete the cluster",
        examples=[True],
    )

    @field_validator("api_cidrs")
    @classmethod
    def _are_given_for_a_new_cluster(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if value is None and info.data.get("create"):
            msg = "it must be set where the cluster is created: nothing is reachable by default"
            raise ValueError(msg)
        return value
