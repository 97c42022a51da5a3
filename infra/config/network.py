"""What can be configured of the network of a cluster that the program makes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from infra.config.base import Model

SERVICE_CIDR = "172.20.0.0/16"
"""Addresses of Services in a cluster that the program makes."""

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")]
Cidr = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])$")]

# A load balancer asks for eight free addresses in each public subnet, which get 1/256 of the VPC.
_LONGEST_PREFIX = 18


class NetworkConfig(Model):
    """The network around a cluster that is made (keys ``previews:network``)."""

    vpc_id: str | None = Field(
        default=None,
        pattern=r"^vpc-[0-9a-z]+$",
        description="an existing VPC for the cluster that is made; without it a VPC is made",
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
        description="addresses of the VPC that is made, a /16 to /18",
        examples=["10.64.0.0/16"],
    )
    zones: tuple[Annotated[str, Field(pattern=r"^[a-f]$")], ...] = Field(
        default=("a", "b"),
        min_length=2,
        max_length=4,
        description="letters of the availability zones of the VPC that is made",
        examples=[["a", "b"]],
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

    @field_validator("zones")
    @classmethod
    def _are_different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            msg = "each zone can be named once"
            raise ValueError(msg)
        return value
