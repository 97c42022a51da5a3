"""Connections that the NetworkPolicies allow: Kubernetes' own rules, as pure functions.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Policy = Mapping[str, Any]

EGRESS = "Egress"
INGRESS = "Ingress"


@dataclass(frozen=True)
class Place:
    """Something with an address: a Pod, or anything else.

    Attributes:
        address: Its address.
        namespace: A Pod's namespace, empty for what is no Pod.
        labels: A Pod's labels.
        namespace_labels: Its namespace's.
        ports: A Pod's named ports, by name and protocol.
        name: Its name for people.
    """

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Denial:
    """Why a connection is not allowed.

    Attributes:
        direction: ``Egress`` if its source may not, ``Ingress`` if its target does not let it in.
        policies: Names of the policies that isolate that Pod, none of which allows it.
    """

    direction: str
    policies: tuple[str, ...]


def denial(
    source: Place, target: Place, port: int, protocol: str, policies: Iterable[Policy]
) -> Denial | None:
    """Return why a new connection is denied; None if both sides allow it."""
    known = list(policies)
    for pod, other, direction in ((source, target, EGRESS), (target, source, INGRESS)):
        isolating = [policy for policy in known if isolates(policy, pod, direction)]
        if isolating and not any(
            _allows(policy, other, target, port, protocol, direction) for policy in isolating
        ):
            names = sorted(policy["metadata"]["name"] for policy in isolating)
            return Denial(direction, tuple(names))
    return None


def isolates(policy: Policy, pod: Place, direction: str) -> bool:
    """Return True if a policy selects a Pod for one direction; what no policy selects is open."""
    if not pod.namespace or policy["metadata"]["namespace"] != pod.namespace:
        return False
    spec = policy["spec"]
    # Left out, it is Ingress, and Egress where there are such rules.
    types = spec.get("policyTypes") or [INGRESS, *([EGRESS] if spec.get("egress") else [])]
    return direction in types and _matches(spec.get("podSelector"), pod.labels)


def _allows(
    policy: Policy, other: Place, target: Place, port: int, protocol: str, direction: str
) -> bool:
    peers = "to" if direction == EGRESS else "from"
    return any(
        _names_port(rule, target, port, protocol) and _names_peer(rule.get(peers), other, policy)
        for rule in policy["spec"].get(direction.lower()) or ()
    )


def _names_port(rule: Mapping[str, Any], target: Place, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        entry.get("protocol", "TCP") == protocol and _is_port(entry, target, port, protocol)
        for entry in ports
    )


def _is_port(entry: Mapping[str, Any], target: Place, port: int, protocol: str) -> bool:
    first = entry.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        # A name is the target's: only a Pod has one.
        return target.ports.get((first, protocol)) == port
    last: int = entry.get("endPort") or first
    return int(first) <= port <= last


def _names_peer(peers: Sequence[Mapping[str, Any]] | None, other: Place, policy: Policy) -> bool:
    return not peers or any(_is_peer(peer, other, policy) for peer in peers)


def _is_peer(peer: Mapping[str, Any], other: Place, policy: Policy) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        # Pods too have addresses, and are allowed by them.
        return _within(other.address, block["cidr"]) and not any(
            _within(other.address, cidr) for cidr in block.get("except") or ()
        )
    if not other.namespace:
        return False
    namespaces = peer.get("namespaceSelector")
    near = (
        other.namespace == policy["metadata"]["namespace"]
        if namespaces is None
        else _matches(namespaces, other.namespace_labels)
    )
    return near and _matches(peer.get("podSelector"), other.labels)


@lru_cache(maxsize=4096)
def _within(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)


def _matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return True if all conditions of a selector hold; an empty one matches everything."""
    wanted = selector or {}
    exact: Mapping[str, str] = wanted.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(expression, labels) for expression in wanted.get("matchExpressions") or ()
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            msg = f"unknown operator {other} in the selector of a NetworkPolicy"
            raise ValueError(msg)
