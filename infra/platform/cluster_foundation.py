"""What everything else stands on: a network and a cluster, made by the program or found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from infra.platform.cluster import Cluster, look_up_cluster, subnet_cidrs, vpc_cidrs
from infra.platform.eks_cluster import EksCluster
from infra.platform.network import Network, plan
from infra.platform.node_pool import NodePool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.cluster import ClusterConfig
    from infra.config.models import PlatformConfig
    from infra.config.network import NetworkConfig


@dataclass(frozen=True)
class Ground:
    """A cluster, the way to it, and the place of databases.

    Attributes:
        cluster: The cluster.
        provider: Declares on it.
        database_subnet_ids: At least two subnets in two zones.
        database_cidrs: Their networks.
        ready: What must be there before a pod can start.
    """

    cluster: Cluster
    provider: kubernetes.Provider
    database_subnet_ids: Sequence[pulumi.Input[str]]
    database_cidrs: Sequence[str]
    ready: Sequence[pulumi.Resource] = ()


def ground(config: PlatformConfig) -> Ground:
    """The ground that the configuration asks for."""
    if not config.cluster.create:
        return _found(config)
    if config.network.vpc_id is not None:
        return _made_in(config, config.network.vpc_id, config.network.node_subnet_ids or ())
    return _made(config)


def _found(config: PlatformConfig) -> Ground:
    """An existing cluster in a network of its own."""
    cluster = look_up_cluster(config.cluster.name)
    subnets = config.database.subnet_ids or tuple(str(subnet) for subnet in cluster.subnet_ids)
    return Ground(
        cluster=cluster,
        # The kubeconfig's context is named like the cluster itself.
        provider=kubernetes.Provider("cluster", context=cluster.name),
        database_subnet_ids=subnets,
        database_cidrs=subnet_cidrs(subnets),
    )


def _made_in(config: PlatformConfig, vpc_id: str, node_subnets: Sequence[str]) -> Ground:
    """A new cluster in an existing VPC."""
    database_subnets = config.database.subnet_ids or node_subnets
    made = EksCluster(
        "cluster",
        config=config.cluster,
        vpc_id=vpc_id,
        vpc_cidrs=vpc_cidrs(vpc_id),
        node_subnet_ids=node_subnets,
        after=[],
    )
    return _settled(made, config.cluster, database_subnets, subnet_cidrs(database_subnets))


def _made(config: PlatformConfig) -> Ground:
    """A new cluster in a new network."""
    network = Network("network", cluster=config.cluster.name, config=config.network)
    made = EksCluster(
        "cluster",
        config=config.cluster,
        vpc_id=network.vpc_id,
        vpc_cidrs=[config.network.cidr],
        node_subnet_ids=network.node_subnet_ids,
        after=network.ready,
    )
    return _settled(
        made, config.cluster, network.database_subnet_ids, database_cidrs(config.network)
    )


def database_cidrs(network: NetworkConfig) -> tuple[str, ...]:
    """The databases' part of a VPC that is made."""
    return plan(network.cidr, len(network.zones)).databases


def _settled(
    made: EksCluster,
    config: ClusterConfig,
    database_subnet_ids: Sequence[pulumi.Input[str]],
    database_cidrs: Sequence[str],
) -> Ground:
    """A new cluster with its nodes."""
    provider = kubernetes.Provider("cluster", kubeconfig=made.kubeconfig)
    nodes = NodePool(
        "nodes",
        node_role=made.node_role,
        subnet_ids=made.cluster.subnet_ids,
        security_group_id=made.cluster.security_group_id,
        max_cpus=config.max_cpus,
        opts=pulumi.ResourceOptions(providers=[provider]),
    )
    return Ground(
        cluster=made.cluster,
        provider=provider,
        database_subnet_ids=database_subnet_ids,
        database_cidrs=database_cidrs,
        ready=nodes.ready,
    )
