"""Peers and ports of NetworkPolicies, and policies that name hosts."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions, meta, networking

from contract.networks import NOT_PUBLIC
from infra.database.database import PORT as DATABASE_PORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from infra.platform_inputs import PlatformInputs

DNS_PORT = 53
EVERYWHERE = "0.0.0.0/0"
HOSTS_API = "networking.k8s.aws/v1alpha1"
HOSTS_KIND = "ApplicationNetworkPolicy"


def to_dns(platform: PlatformInputs) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """Allow the cluster's name server: a pod or, in EKS Auto Mode, the node behind its Service."""
    pods = networking.v1.NetworkPolicyPeerArgs(
        namespace_selector=meta.v1.LabelSelectorArgs(
            match_labels={"kubernetes.io/metadata.name": "kube-system"}
        ),
        pod_selector=meta.v1.LabelSelectorArgs(match_labels={"k8s-app": "kube-dns"}),
    )
    services = networks(platform.cluster.service_cidrs)
    return networking.v1.NetworkPolicyEgressRuleArgs(
        to=services.apply(lambda peers: [pods, *peers]),
        ports=[port(DNS_PORT, "UDP"), port(DNS_PORT, "TCP")],
    )


def to_database(platform: PlatformInputs) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """Allow the subnets of the databases."""
    return networking.v1.NetworkPolicyEgressRuleArgs(
        to=networks(platform.database.cidrs), ports=[port(DATABASE_PORT, "TCP")]
    )


def to_public_addresses(
    ports: Iterable[int], platform: PlatformInputs
) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """Allow the hosts' ports at every public address: a NetworkPolicy knows no names.

    The platform's own networks are left out also where they are public addresses.
    """
    excluded = pulumi.Output.all(
        platform.cluster.service_cidrs, platform.database.cidrs, platform.ingress.source_cidrs
    ).apply(lambda own: excluded_networks(cidr for cidrs in own for cidr in cidrs))
    return networking.v1.NetworkPolicyEgressRuleArgs(
        to=[
            networking.v1.NetworkPolicyPeerArgs(
                ip_block=networking.v1.IPBlockArgs(cidr=EVERYWHERE, except_=excluded)
            )
        ],
        ports=[port(number, "TCP") for number in sorted(set(ports))],
    )


def excluded_networks(own: Iterable[str]) -> list[str]:
    """Return the networks that are not public, and those of the platform that are not in them."""
    known = [ipaddress.IPv4Network(cidr) for cidr in NOT_PUBLIC]
    others = {
        network
        for network in map(ipaddress.ip_network, own)
        if isinstance(network, ipaddress.IPv4Network)
        and not any(network.subnet_of(one) for one in known)
    }
    return [*NOT_PUBLIC, *map(str, sorted(others))]


def hosts_policy(
    name: str,
    *,
    metadata: meta.v1.ObjectMetaArgs,
    pods: Sequence[Mapping[str, object]],
    hosts: pulumi.Input[list[tuple[str, int]]],
    platform: PlatformInputs,
    opts: pulumi.ResourceOptions,
) -> apiextensions.CustomResource:
    """Declare an ApplicationNetworkPolicy of EKS Auto Mode: a way out to hosts by their names.

    The node's DNS proxy lets through the addresses that it has seen in an answer. The name server
    is allowed once more, since the names are learned from what these rules let through.

    Args:
        name: Name of the resource.
        metadata: Metadata of the policy.
        pods: Expressions that select the pods by their labels.
        hosts: Names and ports.
        platform: The networks of the name server.
        opts: Options of the resource.
    """
    return apiextensions.CustomResource(
        name,
        api_version=HOSTS_API,
        kind=HOSTS_KIND,
        metadata=metadata,
        spec={
            "podSelector": {"matchExpressions": [*pods]},
            "policyTypes": ["Egress"],
            "egress": _to_hosts(hosts, platform),
        },
        opts=opts,
    )


def _to_hosts(
    hosts: pulumi.Input[list[tuple[str, int]]], platform: PlatformInputs
) -> pulumi.Output[list[dict[str, object]]]:
    dns = [(DNS_PORT, "UDP"), (DNS_PORT, "TCP")]

    def rules(cidrs: list[str], named: list[tuple[str, int]]) -> list[dict[str, object]]:
        return [
            _named(*({"ipBlock": {"cidr": cidr}} for cidr in cidrs), ports=dns),
            *(
                _named({"domainNames": [host]}, ports=[(number, "TCP")])
                for host, number in sorted({(host, number) for host, number in named})
            ),
        ]

    return pulumi.Output.all(platform.cluster.service_cidrs, hosts).apply(
        lambda known: rules(known[0], known[1])
    )


def _named(*peers: Mapping[str, object], ports: Sequence[tuple[int, str]]) -> dict[str, object]:
    return {
        "to": [*peers],
        "ports": [{"port": number, "protocol": protocol} for number, protocol in ports],
    }


def networks(
    cidrs: pulumi.Input[list[str]],
) -> pulumi.Output[list[networking.v1.NetworkPolicyPeerArgs]]:
    """Return a peer for each network."""
    return pulumi.Output.from_input(cidrs).apply(
        lambda known: [
            networking.v1.NetworkPolicyPeerArgs(ip_block=networking.v1.IPBlockArgs(cidr=cidr))
            for cidr in known
        ]
    )


def port(number: int, protocol: str) -> networking.v1.NetworkPolicyPortArgs:
    """Return one port."""
    return networking.v1.NetworkPolicyPortArgs(port=number, protocol=protocol)
