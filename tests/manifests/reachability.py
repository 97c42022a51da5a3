"""Who can reach whom, by the NetworkPolicies alone: Kubernetes' own rules, as a pure function.

The sandbox's node enforces no NetworkPolicy, since all its pods share the machine's network.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Something with an address: a pod, or anything else.

    Attributes:
        address: Its address.
        namespace: A pod's namespace, empty for what is no pod.
        labels: A pod's labels.
        namespace_labels: Its namespace's.
    """

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


def reaches(
    source: Place, target: Place, port: int, protocol: str, policies: Sequence[Policy]
) -> bool:
    """Whether a connection is let out by the one side and in by the other."""
    return _lets(source, target, port, protocol, policies, "Egress") and _lets(
        target, source, port, protocol, policies, "Ingress"
    )


def _lets(
    pod: Place,
    other: Place,
    port: int,
    protocol: str,
    policies: Sequence[Policy],
    direction: str,
) -> bool:
    """Whether a pod's own policies let it talk with another place in one direction.

    What no policy selects is open; what is no pod has none.
    """
    mine = [p for p in policies if _isolates(p, pod, direction)]
    if not mine:
        return True
    peers = "to" if direction == "Egress" else "from"
    return any(
        _names_port(rule, port, protocol) and _names_peer(rule.get(peers), other, policy)
        for policy in mine
        for rule in policy["spec"].get(direction.lower()) or ()
    )


def _isolates(policy: Policy, pod: Place, direction: str) -> bool:
    spec = policy["spec"]
    # Left out, it is Ingress, and Egress where there are such rules.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        bool(pod.namespace)
        and policy["metadata"]["namespace"] == pod.namespace
        and direction in types
        and _matches(spec.get("podSelector"), pod.labels)
    )


def _names_port(rule: Mapping[str, Any], port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        entry.get("protocol", "TCP") == protocol
        and (
            entry.get("port") is None
            or entry["port"] <= port <= entry.get("endPort", entry["port"])
        )
        for entry in ports
    )


def _names_peer(peers: Sequence[Mapping[str, Any]] | None, other: Place, policy: Policy) -> bool:
    return not peers or any(_is_peer(peer, other, policy) for peer in peers)


def _is_peer(peer: Mapping[str, Any], other: Place, policy: Policy) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        # Pods too have addresses of the VPC, and are let in by them.
        return _within(other, block["cidr"]) and not any(
            _within(other, cidr) for cidr in block.get("except") or ()
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


def _within(place: Place, cidr: str) -> bool:
    return ipaddress.ip_address(place.address) in ipaddress.ip_network(cidr)


def _matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    wanted = selector or {}
    if unknown := wanted.keys() - {"matchLabels"}:
        raise NotImplementedError(f"selectors by {', '.join(sorted(unknown))}")
    return all(labels.get(k) == v for k, v in (wanted.get("matchLabels") or {}).items())
