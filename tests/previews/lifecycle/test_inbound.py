"""A load balancer that lets in more than was asked for fails the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from boto3.session import Session
from moto import mock_aws

from contract.platform_outputs import IngressOutputs
from previews.errors import PreviewsError
from previews.lifecycle.inbound import check_inbound

ASKED = "203.0.113.0/24,198.51.100.7/32"


def ingress(asked: str = ASKED) -> IngressOutputs:
    return IngressOutputs(
        class_name="previews",
        annotations={"alb.ingress.kubernetes.io/inbound-cidrs": asked} if asked else {},
        group="previews",
        scheme="internet-facing",
        source_cidrs=["10.0.0.0/16"],
        protocol="HTTPS",
        port=443,
        idle_timeout_seconds=60,
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.Session(region_name="eu-west-1")


def balancer(aws: Session, *permissions: dict[str, Any], group: str = "previews") -> None:
    """A load balancer of a group, with a security group of these rules."""
    ec2 = aws.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    made = ec2.create_security_group(GroupName=f"k8s-{group}", Description="x", VpcId=vpc)
    if permissions:
        ec2.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[*permissions])
    aws.client("elbv2").create_load_balancer(
        Name=f"k8s-{group}",
        Subnets=subnets,
        SecurityGroups=[made["GroupId"]],
        Tags=[{"Key": "ingress.eks.amazonaws.com/stack", "Value": group}],
    )


def tcp(port: int, *cidrs: str) -> dict[str, Any]:
    v4 = [{"CidrIp": cidr} for cidr in cidrs if ":" not in cidr]
    v6 = [{"CidrIpv6": cidr} for cidr in cidrs if ":" in cidr]
    ends = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    return {**ends, "IpRanges": v4, "Ipv6Ranges": v6}


@pytest.mark.parametrize("found", [ASKED.split(","), ["203.0.113.128/25"], []])
def test_what_was_asked_for_and_less_is_fine(aws: Session, found: list[str]) -> None:
    balancer(aws, *([tcp(443, *found)] if found else []))
    balancer(aws, tcp(443, "0.0.0.0/0"), group="others")
    check_inbound(ingress(), aws=aws)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "203.0.112.0/23", "198.51.100.8/32", "::/0"])
def test_another_network_is_named_with_its_port(aws: Session, cidr: str) -> None:
    balancer(aws, tcp(443, "203.0.113.0/24", cidr))
    with pytest.raises(PreviewsError) as caught:
        check_inbound(ingress(), aws=aws)
    assert caught.value.code == "inbound-open"
    assert caught.value.why == f"it lets in {cidr} on port 443; asked for was {ASKED}"


def test_without_a_load_balancer_nothing_is_concluded(aws: Session) -> None:
    balancer(aws, tcp(443, "203.0.113.0/24"), group="others")
    with pytest.raises(PreviewsError, match="no load balancer has the group's tag"):
        check_inbound(ingress(), aws=aws)


def test_a_staging_that_does_not_publish_the_networks_is_named(aws: Session) -> None:
    balancer(aws, tcp(443, "203.0.113.0/24"))
    with pytest.raises(PreviewsError, match="staging does not publish the networks"):
        check_inbound(ingress(asked=""), aws=aws)


def test_a_role_that_may_not_look_is_told_what_it_lacks(
    aws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    def refuse(*_: object, **__: object) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Describe")

    monkeypatch.setattr("previews.lifecycle.inbound._security_groups", refuse)
    with pytest.raises(PreviewsError) as caught:
        check_inbound(ingress(), aws=aws)
    assert caught.value.code == "inbound-unknown"
    assert "ec2:DescribeSecurityGroupRules" in caught.value.remedy
