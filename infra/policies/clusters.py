"""Clusters: their version is one that AWS supports without a surcharge."""

from __future__ import annotations

from collections.abc import Iterator

from infra.policies.declared import Declared
from infra.policies.rule import Rule

CLUSTER = "aws:eks/cluster:Cluster"


def standard_support(cluster: Declared) -> Iterator[str]:
    """Require an upgrade at the end of standard support: AWS's default is paid extended support."""
    if cluster.get("upgradePolicy", "supportType") != "STANDARD":
        yield "upgradePolicy.supportType is not STANDARD"


RULES = (
    Rule(
        "cluster-without-extended-support",
        "A cluster is upgraded when its version's standard support ends, not kept at a surcharge.",
        standard_support,
        frozenset({CLUSTER}),
    ),
)
