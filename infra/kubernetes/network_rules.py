"""Peers and ports of NetworkPolicies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import meta, networking

from infra.database.database import PORT as DATABASE_PORT

if TYPE_CHECKING:
    from infra.platform_inputs import PlatformInputs

DNS_PORT = 53


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
