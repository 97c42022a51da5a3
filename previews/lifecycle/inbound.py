"""The networks that the load balancer lets in, compared with those that were asked for.

The controller writes the rules of its security group. One that drops or ignores the setting leaves
it open to everybody, and nothing else would show it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from contract.kubernetes import ALB
from previews.errors import PreviewsError
from previews.inventory.load_balancer import load_balancers

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.platform_outputs import IngressOutputs

_ASKED = f"{ALB}/inbound-cidrs"


def check_inbound(ingress: IngressOutputs, *, aws: Session) -> None:
    """Check that the load balancer lets in the networks that were asked for, and no other.

    Args:
        ingress: The load balancer, as staging publishes it.
        aws: The AWS account.

    Raises:
        PreviewsError: It lets in others, there is none to look at, or AWS doesn't answer.
    """
    asked = ingress.annotations.get(_ASKED, "")
    if not asked:
        raise PreviewsError(
            "inbound-unknown",
            f"load balancer of group {ingress.group}",
            why="staging does not publish the networks that may connect: it is of an older version",
            remedy="bring staging up from the main branch: `pulumi up -s staging`.",
        )
    try:
        groups = list(_security_groups(aws, ingress.group))
        others = [] if not groups else list(_others(aws, groups, asked.split(",")))
    except (BotoCoreError, ClientError) as error:
        raise PreviewsError(
            "inbound-unknown",
            f"load balancer of group {ingress.group}",
            why=f"AWS does not show which networks it lets in: {error}",
            remedy="check the role's permissions elasticloadbalancing:DescribeLoadBalancers,"
            " elasticloadbalancing:DescribeTags and ec2:DescribeSecurityGroupRules.",
        ) from error
    if not groups:
        raise PreviewsError(
            "inbound-unknown",
            f"load balancer of group {ingress.group}",
            why="no load balancer has the group's tag and a security group",
            remedy="look at what the controller reports: kubectl describe ingress -n pr-N service.",
        )
    if others:
        raise PreviewsError(
            "inbound-open",
            f"load balancer of group {ingress.group}",
            why=f"it lets in {', '.join(others)}; asked for was {asked}",
            remedy="previews are reachable from there: set previews:loadBalancer.scheme of stack"
            " staging to internal until its controller heeds inbound-cidrs, or remove the rules.",
        )


def _security_groups(aws: Session, group: str) -> Iterator[str]:
    for balancer in load_balancers(aws, group):
        yield from balancer.get("SecurityGroups") or ()


def _others(aws: Session, groups: list[str], asked: list[str]) -> Iterator[str]:
    """Yield each source that is let in and is no part of a network that was asked for."""
    networks = [ipaddress.ip_network(cidr.strip()) for cidr in asked]
    pages = aws.client("ec2").get_paginator("describe_security_group_rules")
    for page in pages.paginate(Filters=[{"Name": "group-id", "Values": groups}]):
        for rule in page["SecurityGroupRules"]:
            if not rule["IsEgress"]:
                yield from _beyond(rule, networks)


def _beyond(
    rule: Mapping[str, Any], asked: list[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> Iterator[str]:
    if "PrefixListId" in rule:
        yield f"{rule['PrefixListId']} on {_ports(rule)}"
    for key in ("CidrIpv4", "CidrIpv6"):
        if key in rule and not _is_within(rule[key], asked):
            yield f"{rule[key]} on {_ports(rule)}"


def _is_within(cidr: str, asked: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    network = ipaddress.ip_network(cidr, strict=False)
    return any(
        isinstance(network, type(one)) and network.subnet_of(one)  # type: ignore[arg-type]
        for one in asked
    )


def _ports(rule: Mapping[str, Any]) -> str:
    first, last = rule.get("FromPort", -1), rule.get("ToPort", -1)
    if first == -1:
        return "all ports"
    return f"port {first}" if first == last else f"ports {first}-{last}"
