"""Security groups: none is open to the internet."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from infra.policies.declared import Declared, Properties, listed
from infra.policies.rule import Rule

GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"

# Larger than any private network that one organization routes.
_WIDEST = {4: 8, 6: 32}


def closed(group: Declared) -> Iterator[str]:
    """Reject a rule for a network that is larger than any private one."""
    if group.type == GROUP_RULE and group.get("type") != "ingress":
        return
    rules = group.each("ingress") if group.type in {GROUP, DEFAULT_GROUP} else [group.properties]
    for rule in rules:
        for cidr in _cidrs(rule):
            if _is_wide(cidr):
                yield f"{cidr} may connect"


def _cidrs(rule: Properties) -> list[str]:
    """List the networks of a rule; each of the three types names them differently."""
    single = [rule.get("cidrIpv4"), rule.get("cidrIpv6")]
    return [
        *(str(cidr) for cidr in single if cidr),
        *(str(cidr) for key in ("cidrBlocks", "ipv6CidrBlocks") for cidr in listed(rule, key)),
    ]


def _is_wide(cidr: str) -> bool:
    network = ipaddress.ip_network(cidr, strict=False)
    return network.prefixlen < _WIDEST[network.version]


RULES = (
    Rule(
        "security-group-closed",
        "No security group lets the internet in.",
        closed,
        frozenset({GROUP, DEFAULT_GROUP, GROUP_RULE, INGRESS_RULE}),
    ),
)
