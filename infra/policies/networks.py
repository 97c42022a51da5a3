"""Networks: no security group is open to the internet, and no preview to private networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator

from contract.networks import NOT_PUBLIC
from infra.policies.declared import Declared, Properties, below, each, listed
from infra.policies.rule import Rule

GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"

NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
HOSTS_POLICY = "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy"

# The name server and the databases, the only ones that a preview needs on private networks.
_PRIVATE_PORTS = {53, 5432}
_DNS_PORTS = {53}

_NOT_PUBLIC = [ipaddress.IPv4Network(cidr) for cidr in NOT_PUBLIC]

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


def narrow(policy: Declared) -> Iterator[str]:
    """Reject ways out of a preview to all ports, to private networks, or to any name.

    It sees each policy alone: policies add up, and none can take back what another allows.
    """
    if not policy.in_preview:
        return
    for rule in policy.each("spec", "egress"):
        ports = each(rule, "ports")
        numbers = {port.get("port") for port in ports}
        if not ports or any(not isinstance(n, (int, float)) for n in numbers):
            yield "a rule of egress names no port, or not by its number"
        if any(port.get("endPort") is not None for port in ports):
            yield "a rule of egress allows a range of ports"
        peers = each(rule, "to")
        if not peers:
            yield "a rule of egress names no destination"
        for peer in peers:
            yield from _wide_peer(peer, {n for n in numbers if n is not None})


def _wide_peer(peer: Properties, ports: Collection[object]) -> Iterator[str]:
    for name in listed(peer, "domainNames"):
        if "*" in str(name):
            yield f"egress to {name}: a wildcard"
    block = below(peer, "ipBlock")
    if block:
        cidr = str(block.get("cidr") or "")
        if _reaches_private(cidr, listed(block, "except")) and not _PRIVATE_PORTS.issuperset(ports):
            yield f"egress to {cidr}: private networks are open on other ports than 53 and 5432"
    elif (
        not listed(peer, "domainNames")
        and peer.get("namespaceSelector") is not None
        and not _DNS_PORTS.issuperset(ports)
    ):
        yield "egress to pods of other namespaces on other ports than 53"


def _reaches_private(cidr: str, excluded: Iterable[object]) -> bool:
    """Return True if a network, without the excluded ones, has an address that is not public."""
    network = ipaddress.ip_network(cidr, strict=False)
    if not isinstance(network, ipaddress.IPv4Network):
        return True
    without = [ipaddress.IPv4Network(str(one), strict=False) for one in excluded]
    return any(
        private.overlaps(network)
        and not any(private.subnet_of(one) or network.subnet_of(one) for one in without)
        for private in _NOT_PUBLIC
    )


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
    Rule(
        "egress-narrow",
        "A preview's way out names its ports, and leads to no private network or other namespace"
        " but for DNS and databases.",
        narrow,
        frozenset({NETWORK_POLICY, HOSTS_POLICY}),
    ),
)
