"""The VPC that the program makes: its division, its ways out, what may get in."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config.cluster import NetworkConfig
from infra.errors import ProgramError
from infra.foundation.network import Network, chosen_zones, plan
from tests.infra.world import Deployment, deploy

SUBNET = "aws:ec2/subnet:Subnet"
TABLE = "aws:ec2/routeTable:RouteTable"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
# What nodes, controllers and previews ask of AWS where there is no other way out.
SERVICES = [
    *("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "logs"),
    *("s3", "secretsmanager", "sts"),
]


def network(**config: Any) -> Deployment:
    settings = NetworkConfig.model_validate(config)
    return deploy("staging", lambda: Network("network", cluster="lab", config=settings) and None)


def names(stack: Deployment, type_: str) -> list[str]:
    return sorted(r.name for r in stack.registrations if r.type == type_)


def routes(stack: Deployment) -> dict[str, list[Any]]:
    return {r.name: r.inputs.get("routes", []) for r in stack.registrations if r.type == TABLE}


@given(
    prefix=st.integers(min_value=16, max_value=18),
    zones=st.integers(min_value=2, max_value=4),
)
def test_a_vpc_is_divided_into_networks_that_do_not_meet(prefix: int, zones: int) -> None:
    vpc = IPv4Network(f"10.64.0.0/{prefix}")
    division = plan(str(vpc), zones)
    parts = [IPv4Network(cidr) for cidr in (*division.nodes, *division.databases, *division.public)]
    assert len(parts) == 3 * zones
    assert all(part.subnet_of(vpc) for part in parts)
    assert not any(one.overlaps(other) for one, other in combinations(parts, 2))


def test_another_zone_moves_none_of_the_others() -> None:
    two, three = plan("10.64.0.0/16", 2), plan("10.64.0.0/16", 3)
    assert three.nodes[:2] == two.nodes
    assert three.databases[:2] == two.databases
    assert three.public[:2] == two.public


def test_each_zone_has_one_subnet_of_each_kind_and_none_gives_public_addresses() -> None:
    stack = network(zones=3)
    subnets = [r for r in stack.registrations if r.type == SUBNET]
    assert {r.name: r.inputs["availabilityZone"] for r in subnets} == {
        f"{kind}-{number}": f"eu-west-1{zone}"
        for kind in ("public", "nodes", "databases")
        for number, zone in enumerate("abc", start=1)
    }
    assert {r.inputs["mapPublicIpOnLaunch"] for r in subnets} == {False}


def test_load_balancers_find_their_subnets_by_tags() -> None:
    found: dict[str, set[str]] = {}
    for resource in network().registrations:
        if resource.type == SUBNET:
            tags = resource.inputs["tags"]
            found[resource.name] = {key for key in tags if key.startswith("kubernetes.io/")}
    assert found == {
        "public-1": {"kubernetes.io/role/elb"},
        "public-2": {"kubernetes.io/role/elb"},
        "nodes-1": {"kubernetes.io/role/internal-elb"},
        "nodes-2": {"kubernetes.io/role/internal-elb"},
        "databases-1": set(),
        "databases-2": set(),
    }


@pytest.mark.parametrize(
    ("egress", "gateways", "tables", "endpoints"),
    [
        ("nat", ["nat-1"], ["nodes-1", "public"], ["s3"]),
        ("nat-per-zone", ["nat-1", "nat-2"], ["nodes-1", "nodes-2", "public"], ["s3"]),
        ("endpoints", [], ["nodes", "public"], SERVICES),
    ],
)
def test_the_ways_out(
    egress: str, gateways: list[str], tables: list[str], endpoints: list[str]
) -> None:
    stack = network(egress=egress)
    assert names(stack, "aws:ec2/natGateway:NatGateway") == gateways
    assert names(stack, "aws:ec2/eip:Eip") == gateways
    assert sorted(routes(stack)) == tables
    assert names(stack, ENDPOINT) == endpoints


def test_every_subnet_of_nodes_has_a_way_out_and_no_subnet_of_databases() -> None:
    for egress in ("nat", "nat-per-zone", "endpoints"):
        stack = network(egress=egress)
        associated = {
            r.inputs["subnetId"]: r.inputs["routeTableId"]
            for r in stack.registrations
            if r.type == "aws:ec2/routeTableAssociation:RouteTableAssociation"
        }
        # A subnet without an association has the VPC's main table, which leads nowhere else.
        assert set(associated) == {"public-1-id", "public-2-id", "nodes-1-id", "nodes-2-id"}
        s3 = stack.one(ENDPOINT, "s3")
        assert {associated[f"nodes-{number}-id"] for number in (1, 2)} == set(
            s3.inputs["routeTableIds"]
        )


def test_only_public_subnets_are_open_to_the_internet() -> None:
    for egress in ("nat", "nat-per-zone", "endpoints"):
        for name, found in routes(network(egress=egress)).items():
            gateways = {key for route in found for key in route if key.endswith("atewayId")}
            expected = {"gatewayId"} if name == "public" else {"natGatewayId"}
            assert gateways == (
                set[str]() if egress == "endpoints" and name != "public" else expected
            )


def test_each_endpoint_is_of_its_service_and_found_by_the_service_s_own_name() -> None:
    stack = network(egress="endpoints")
    found = {r.name: r.inputs for r in stack.registrations if r.type == ENDPOINT}
    assert {name: each["serviceName"] for name, each in found.items()} == {
        service: f"com.amazonaws.eu-west-1.{service}" for service in SERVICES
    }
    kinds = {name: (i["vpcEndpointType"], i.get("privateDnsEnabled")) for name, i in found.items()}
    assert kinds.pop("s3") == ("Gateway", None)
    assert set(kinds.values()) == {("Interface", True)}


def test_endpoints_answer_the_vpc_alone() -> None:
    rule = network(egress="endpoints").one("aws:ec2/securityGroup:SecurityGroup").inputs["ingress"]
    assert [(r["cidrBlocks"], r["fromPort"], r["toPort"]) for r in rule] == [
        (["10.64.0.0/16"], 443, 443)
    ]


def test_the_group_that_nobody_asked_for_lets_nothing_pass() -> None:
    group = network().one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert group.inputs.keys() & {"ingress", "egress"} == set()


def test_zones_are_those_that_aws_has_and_eks_takes() -> None:
    stack = network()
    (asked,) = [args for token, args in stack.cloud.calls if "AvailabilityZones" in token]
    assert asked["state"] == "available"
    assert asked["filters"] == [{"name": "zone-type", "values": ["availability-zone"]}]
    assert set(asked["excludeZoneIds"]) == {"use1-az3", "usw1-az2", "cac1-az3"}


def test_a_zone_that_appears_or_fails_moves_no_subnet() -> None:
    subnets = [r for r in network().registrations if r.type == SUBNET]
    assert subnets
    assert {r.ignore_changes for r in subnets} == {("availabilityZone",)}


def test_the_first_zones_by_name_are_chosen() -> None:
    assert chosen_zones(["us-west-1c", "us-west-1a"], 2) == ["us-west-1a", "us-west-1c"]


def test_too_few_zones_are_named() -> None:
    with pytest.raises(ProgramError) as raised:
        chosen_zones(["ca-central-1b", "ca-central-1a"], 3)
    assert raised.value.why == (
        "it is 3, but the region has 2 that EKS takes: ca-central-1a, ca-central-1b"
    )


@pytest.mark.parametrize("egress", ["nat", "nat-per-zone"])
def test_a_nat_gateway_comes_after_the_internet_gateway(egress: str) -> None:
    stack = network(egress=egress)
    internet = stack.one("aws:ec2/internetGateway:InternetGateway")
    gateways = [r for r in stack.registrations if r.type == "aws:ec2/natGateway:NatGateway"]
    assert gateways
    assert all(internet.urn in gateway.depends_on for gateway in gateways)
