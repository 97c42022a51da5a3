"""The network and the cluster that everything else needs, created by the program or existing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from infra.foundation.budget import BUDGET_TAGS
from infra.foundation.cluster import Cluster, look_up_cluster, subnet_cidrs, vpc_cidrs
from infra.foundation.eks_cluster import EksCluster
from infra.foundation.network import Network, plan
from infra.foundation.node_pool import NodePool
from infra.kubernetes.provider import existing_cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.cluster import ClusterConfig, NetworkConfig
    from infra.config.models import PlatformConfig


@dataclass(frozen=True)
class ClusterFoundation:
    """A cluster, its provider, and the subnets of databases.

    Attributes:
        cluster: The cluster.
        provider: Kubernetes provider of the cluster.
        database_subnet_ids: At least two subnets in two zones.
        database_cidrs: Networks of those subnets.
        ready: Resources that a pod depends on.
    """

    cluster: Cluster
    provider: kubernetes.Provider
    database_subnet_ids: Sequence[pulumi.Input[str]]
    database_cidrs: Sequence[str]
    ready: Sequence[pulumi.Resource] = ()


def cluster_foundation(config: PlatformConfig) -> ClusterFoundation:
    """Declare the configured network and cluster."""
    if not config.cluster.create:
        return _existing(config)
    if config.network.vpc_id is not None:
        return _created_in(config, config.network.vpc_id, config.network.node_subnet_ids or ())
    return _created(config)


def _existing(config: PlatformConfig) -> ClusterFoundation:
    """Look up an existing cluster in a network of its own."""
    cluster = look_up_cluster(config.cluster.name)
    subnets = config.database.subnet_ids or tuple(str(subnet) for subnet in cluster.subnet_ids)
    return ClusterFoundation(
        cluster=cluster,
        provider=existing_cluster(cluster.name),
        database_subnet_ids=subnets,
        database_cidrs=subnet_cidrs(subnets),
    )


def _created_in(
    config: PlatformConfig, vpc_id: str, node_subnets: Sequence[str]
) -> ClusterFoundation:
    """Declare a new cluster in an existing VPC."""
    database_subnets = config.database.subnet_ids or node_subnets
    created = EksCluster(
        "cluster",
        config=config.cluster,
        vpc_id=vpc_id,
        vpc_cidrs=vpc_cidrs(vpc_id),
        node_subnet_ids=node_subnets,
        depends_on=[],
    )
    return _with_nodes(created, config.cluster, database_subnets, subnet_cidrs(database_subnets))


def _created(config: PlatformConfig) -> ClusterFoundation:
    """Declare a new cluster in a new network."""
    network = Network("network", cluster=config.cluster.name, config=config.network)
    created = EksCluster(
        "cluster",
        config=config.cluster,
        vpc_id=network.vpc_id,
        vpc_cidrs=[config.network.cidr],
        node_subnet_ids=network.node_subnet_ids,
        depends_on=network.ready,
    )
    return _with_nodes(
        created, config.cluster, network.database_subnet_ids, database_cidrs(config.network)
    )


def database_cidrs(network: NetworkConfig) -> tuple[str, ...]:
    """Return the databases' networks of a VPC that the program creates."""
    return plan(network.cidr, network.zones).databases


def _with_nodes(
    created: EksCluster,
    config: ClusterConfig,
    database_subnet_ids: Sequence[pulumi.Input[str]],
    database_cidrs: Sequence[str],
) -> ClusterFoundation:
    """Add nodes to a new cluster."""
    provider = kubernetes.Provider("cluster", kubeconfig=created.kubeconfig)
    nodes = NodePool(
        "nodes",
        node_role=created.node_role,
        subnet_ids=created.cluster.subnet_ids,
        security_group_id=created.cluster.security_group_id,
        tags=BUDGET_TAGS,
        max_cpus=config.max_cpus,
        opts=pulumi.ResourceOptions(providers=[provider], depends_on=[created.may_tag]),
    )
    return ClusterFoundation(
        cluster=created.cluster,
        provider=provider,
        database_subnet_ids=database_subnet_ids,
        database_cidrs=database_cidrs,
        ready=[*nodes.ready, created.may_tag],
    )
