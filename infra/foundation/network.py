"""The VPC of a cluster that the program creates.

Three kinds of subnets, one of each in every zone: public ones for load balancers and NAT
gateways, private ones for nodes and pods, and private ones for databases, without a route out of
the VPC. AWS names the zones: not every region has an `a` and a `b`, not every account may use
them, and EKS refuses some.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi_aws import ec2

from infra.errors import ProgramError
from infra.foundation.private_endpoints import PrivateEndpoints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.config.cluster import NetworkConfig

# Tags by which load balancer controllers select subnets.
PUBLIC_TAG = "kubernetes.io/role/elb"
PRIVATE_TAG = "kubernetes.io/role/internal-elb"

_EVERYWHERE = "0.0.0.0/0"

# Zones in which EKS places no control plane, by ID: each account has letters of its own for them
# (https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html).
REFUSED_BY_EKS = ("use1-az3", "usw1-az2", "cac1-az3")


@dataclass(frozen=True)
class Plan:
    """Division of a VPC's addresses, one network of each kind for each zone.

    Attributes:
        nodes: Networks of 1/8 of the VPC, for nodes and pods.
        databases: Networks of 1/256.
        public: Networks of 1/256.
    """

    nodes: tuple[str, ...]
    databases: tuple[str, ...]
    public: tuple[str, ...]


def plan(cidr: str, zones: int) -> Plan:
    """Divide a VPC among up to four zones; adding a zone changes no existing network."""
    eighths = list(IPv4Network(cidr).subnets(prefixlen_diff=3))

    def small(eighth: IPv4Network) -> tuple[str, ...]:
        parts = eighth.subnets(prefixlen_diff=5)
        return tuple(str(next(parts)) for _ in range(zones))

    return Plan(
        nodes=tuple(str(eighth) for eighth in eighths[:zones]),
        databases=small(eighths[4]),
        public=small(eighths[5]),
    )


def chosen_zones(available: Sequence[str], wanted: int) -> list[str]:
    """Return the zones to use: the first ones by name.

    Raises:
        ProgramError: There are fewer than wanted.
    """
    if len(available) >= wanted:
        return sorted(available)[:wanted]
    raise ProgramError(
        "config previews:network.zones",
        why=f"it is {wanted}, but the region has {len(available)} that EKS takes:"
        f" {', '.join(sorted(available)) or 'none'}",
        remedy="set a smaller number, of at least 2, or another region in AWS_REGION; `aws ec2"
        " describe-availability-zones` lists its zones",
    )


@dataclass(frozen=True)
class _Zones:
    """Subnets of one kind, by the number of their zone."""

    subnets: Mapping[int, ec2.Subnet]

    @property
    def ids(self) -> list[pulumi.Input[str]]:
        return [subnet.id for subnet in self.subnets.values()]


class Network(pulumi.ComponentResource):
    """A VPC over at least two zones.

    Attributes:
        vpc_id: ID of the VPC.
        node_subnet_ids: Private subnets for nodes and pods.
        database_subnet_ids: Private subnets without a route out.
        ready: Routes and endpoints that nodes need to pull images.
    """

    vpc_id: pulumi.Output[str]
    node_subnet_ids: list[pulumi.Input[str]]
    database_subnet_ids: list[pulumi.Input[str]]
    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        config: NetworkConfig,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the network.

        Args:
            cluster: Name of the cluster, after which everything is named.
            config: Addresses, zones and egress.
        """
        super().__init__("previews:platform:Network", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._cluster = cluster
        self._zones = self._look_up_zones(config.zones)
        self._region = aws.get_region_output(opts=pulumi.InvokeOptions(parent=self)).region
        vpc = ec2.Vpc(
            "vpc",
            cidr_block=config.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._named("vpc"),
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # The group of resources that name none; it has no rule, so it allows nothing.
        ec2.DefaultSecurityGroup(
            "default-firewall", vpc_id=vpc.id, tags=self._named("default"), opts=self._child
        )
        division = plan(config.cidr, config.zones)
        public = self._subnets("public", division.public, {PUBLIC_TAG: "1"})
        nodes = self._subnets("nodes", division.nodes, {PRIVATE_TAG: "1"})
        databases = self._subnets("databases", division.databases, {})
        gateway = self._route_public(public)
        tables = self._route_nodes(config, public, nodes, gateway)
        self.node_subnet_ids = nodes.ids
        self.database_subnet_ids = databases.ids
        endpoints = PrivateEndpoints(
            "endpoints",
            cluster=cluster,
            region=self._region,
            vpc_id=vpc.id,
            vpc_cidr=config.cidr,
            subnet_ids=nodes.ids,
            route_table_ids=[table.id for table in tables],
            all_services=config.egress == "endpoints",
            opts=self._child,
        )
        self.ready = [*tables, endpoints]
        self.register_outputs({"vpcId": self.vpc_id})

    def _look_up_zones(self, wanted: int) -> pulumi.Output[list[str]]:
        found = aws.get_availability_zones_output(
            state="available",
            exclude_zone_ids=list(REFUSED_BY_EKS),
            # Local and Wavelength Zones are in the list where an account has opted in to them.
            filters=[
                aws.GetAvailabilityZonesFilterArgs(name="zone-type", values=["availability-zone"])
            ],
            opts=pulumi.InvokeOptions(parent=self),
        )
        return found.names.apply(lambda names: chosen_zones(names, wanted))

    def _subnets(self, kind: str, cidrs: Sequence[str], tags: dict[str, str]) -> _Zones:
        return _Zones(
            {
                number: self._subnet(f"{kind}-{number}", number, cidr, tags)
                for number, cidr in enumerate(cidrs, start=1)
            }
        )

    def _subnet(self, name: str, number: int, cidr: str, tags: dict[str, str]) -> ec2.Subnet:
        return ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            cidr_block=cidr,
            availability_zone=self._zones.apply(lambda zones: zones[number - 1]),
            # Not even in public subnets: a resource that needs an address requests one.
            map_public_ip_on_launch=False,
            tags={**self._named(name), **tags},
            opts=pulumi.ResourceOptions(
                parent=self,
                # Chosen once: a zone that fails for an hour, or is new, moves no subnet.
                ignore_changes=["availabilityZone"],
            ),
        )

    def _route_public(self, public: _Zones) -> ec2.InternetGateway:
        """Route public subnets to the internet and back."""
        gateway = ec2.InternetGateway(
            "internet", vpc_id=self.vpc_id, tags=self._named("internet"), opts=self._child
        )
        table = self._table("public", gateway_id=gateway.id)
        self._associate("public", table, public)
        return gateway

    def _route_nodes(
        self, config: NetworkConfig, public: _Zones, nodes: _Zones, gateway: ec2.InternetGateway
    ) -> list[ec2.RouteTable]:
        """Route the nodes' subnets to the internet, through no, one or a gateway per zone."""
        if config.egress == "endpoints":
            table = self._table("nodes")
            self._associate("nodes", table, nodes)
            return [table]
        shared = config.egress == "nat"
        zones = [1] if shared else [*public.subnets]
        tables = {
            zone: self._table(
                f"nodes-{zone}", nat_gateway_id=self._nat(zone, public.subnets[zone], gateway)
            )
            for zone in zones
        }
        for zone, subnet in nodes.subnets.items():
            table = tables[1 if shared else zone]
            self._associate(f"nodes-{zone}", table, _Zones({zone: subnet}))
        return list(tables.values())

    def _nat(
        self, zone: int, subnet: ec2.Subnet, internet: ec2.InternetGateway
    ) -> pulumi.Output[str]:
        address = ec2.Eip(
            f"nat-{zone}", domain="vpc", tags=self._named(f"nat-{zone}"), opts=self._child
        )
        gateway = ec2.NatGateway(
            f"nat-{zone}",
            allocation_id=address.allocation_id,
            subnet_id=subnet.id,
            tags=self._named(f"nat-{zone}"),
            # AWS creates none in a VPC without a way out, and nothing else here orders the two.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
        )
        return gateway.id

    def _table(
        self,
        name: str,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> ec2.RouteTable:
        """Declare a route table, with a route beyond the VPC only to a gateway."""
        route = ec2.RouteTableRouteArgs(
            cidr_block=_EVERYWHERE, gateway_id=gateway_id, nat_gateway_id=nat_gateway_id
        )
        closed = gateway_id is None and nat_gateway_id is None
        return ec2.RouteTable(
            name,
            vpc_id=self.vpc_id,
            routes=[] if closed else [route],
            tags=self._named(name),
            opts=self._child,
        )

    def _associate(self, name: str, table: ec2.RouteTable, zones: _Zones) -> None:
        for zone, subnet in zones.subnets.items():
            ec2.RouteTableAssociation(
                name if name.endswith(f"-{zone}") else f"{name}-{zone}",
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._child,
            )

    def _named(self, name: str) -> dict[str, str]:
        """Return the tag that AWS's console shows as the name."""
        return {"Name": f"{self._cluster}-{name}"}
