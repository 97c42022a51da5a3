"""Who can reach whom: staging, two previews, and what stands around them."""

from __future__ import annotations

from typing import Any

import pytest

from contract.app.model import App
from infra.app.preview_namespace import quota
from infra.app.sizes import app_sizes
from infra.config.models import LimitsConfig, ServiceConfig
from infra.stacks import main
from sandbox.node.network_policy import Place, Policy, denial
from tests.infra.world import PREVIEW_CONFIG, SERVICE_CONFIG, STAGING_CONFIG, Cloud, deploy
from tests.manifests.rendering import objects

# The mocks' VPC is 10.0.0.0/16, its databases are in 10.0.1.0/24 and 10.0.2.0/24, and Services
# in 172.20.0.0/16.
NAMESPACES = ("staging", "pr-42", "pr-43")
SERVICE, JOB = {"app.kubernetes.io/name": "service"}, {"app.kubernetes.io/name": "prepare"}


@pytest.fixture(scope="module")
def policies() -> list[dict[str, Any]]:
    staging = deploy("staging", main, config=STAGING_CONFIG)
    previews = [
        deploy(name, main, config=PREVIEW_CONFIG, cloud=Cloud(staging=staging.outputs))
        for name in ("pr-42", "pr-43")
    ]
    return [o for o in objects([staging, *previews]) if o["kind"] == "NetworkPolicy"]


def reaches(source: Place, target: Place, port: int, protocol: str, policies: list[Policy]) -> bool:
    return denial(source, target, port, protocol, policies) is None


def pod(namespace: str, address: str, labels: dict[str, str]) -> Place:
    return Place(address, namespace, labels, {"kubernetes.io/metadata.name": namespace})


PLACES = {
    "staging": pod("staging", "10.0.100.1", SERVICE),
    "pr-42": pod("pr-42", "10.0.100.42", SERVICE),
    "pr-42's Job": pod("pr-42", "10.0.100.142", JOB),
    "pr-43": pod("pr-43", "10.0.100.43", SERVICE),
    "name server": pod("kube-system", "10.0.100.2", {"k8s-app": "kube-dns"}),
    "name server's Service": Place("172.20.0.10"),
    "other in kube-system": pod("kube-system", "10.0.100.3", {"k8s-app": "other"}),
    "unguarded pod": pod("default", "10.0.100.9", {}),
    "Kubernetes API": Place("172.20.0.1"),
    "load balancer": Place("10.0.50.7"),
    "database": Place("10.0.1.50"),
    "instance metadata": Place("169.254.169.254"),
    "pod identity": Place("169.254.170.23"),
    "internet": Place("203.0.113.9"),
}

YES, NO = True, False
# From, to, port, protocol, and whether it gets there.
TABLE: list[tuple[str, str, int, str, bool]] = [
    # What a preview needs.
    ("load balancer", "pr-42", 8000, "TCP", YES),
    ("pr-42", "database", 5432, "TCP", YES),
    ("pr-42's Job", "database", 5432, "TCP", YES),
    ("pr-42", "name server", 53, "UDP", YES),
    ("pr-42", "name server", 53, "TCP", YES),
    ("pr-42", "name server's Service", 53, "UDP", YES),
    ("load balancer", "staging", 8000, "TCP", YES),
    ("staging", "database", 5432, "TCP", YES),
    # Neighbours.
    ("pr-42", "pr-43", 8000, "TCP", NO),
    ("pr-42", "staging", 8000, "TCP", NO),
    ("staging", "pr-42", 8000, "TCP", NO),
    ("pr-42's Job", "pr-42", 8000, "TCP", NO),
    ("pr-42", "pr-42's Job", 8000, "TCP", NO),
    # Ways out.
    ("pr-42", "internet", 443, "TCP", NO),
    ("pr-42's Job", "internet", 443, "TCP", NO),
    ("pr-42", "internet", 53, "UDP", NO),
    ("pr-42", "instance metadata", 80, "TCP", NO),
    ("pr-42", "pod identity", 80, "TCP", NO),
    ("pr-42", "Kubernetes API", 443, "TCP", NO),
    ("pr-42", "other in kube-system", 53, "UDP", NO),
    ("pr-42", "name server", 443, "TCP", NO),
    ("pr-42", "database", 22, "TCP", NO),
    ("pr-42", "unguarded pod", 80, "TCP", NO),
    # Ways in.
    ("internet", "pr-42", 8000, "TCP", NO),
    ("load balancer", "pr-42", 22, "TCP", NO),
    ("load balancer", "pr-42's Job", 8000, "TCP", NO),
    # Pods have addresses of the VPC, and the load balancer's are not told from theirs unless
    # previews:loadBalancer.sourceCidrs says which they are.
    ("unguarded pod", "pr-42", 8000, "TCP", YES),
]


@pytest.mark.parametrize(("source", "target", "port", "protocol", "expected"), TABLE)
def test_who_reaches_whom(
    source: str,
    target: str,
    port: int,
    protocol: str,
    expected: bool,
    policies: list[dict[str, Any]],
) -> None:
    assert reaches(PLACES[source], PLACES[target], port, protocol, policies) is expected


def test_without_the_policies_everything_would_be_open(policies: list[dict[str, Any]]) -> None:
    assert {p["metadata"]["namespace"] for p in policies} == set(NAMESPACES)
    closed = [(s, t, port, protocol) for s, t, port, protocol, expected in TABLE if not expected]
    for source, target, port, protocol in closed:
        assert reaches(PLACES[source], PLACES[target], port, protocol, [])


def test_with_the_load_balancers_own_networks_nothing_else_gets_in() -> None:
    config = STAGING_CONFIG | {"loadBalancer": {"sourceCidrs": ["10.0.50.0/24"]}}
    policies = [
        o for o in objects([deploy("staging", main, config=config)]) if o["kind"] == "NetworkPolicy"
    ]
    assert reaches(PLACES["load balancer"], PLACES["staging"], 8000, "TCP", policies)
    assert not reaches(PLACES["unguarded pod"], PLACES["staging"], 8000, "TCP", policies)


def test_the_quota_has_room_for_the_largest_rollout_and_for_nothing_else() -> None:
    sizes = ServiceConfig.model_validate(SERVICE_CONFIG)
    hard = quota(app_sizes(App(), sizes, LimitsConfig()))
    # All replicas, the one that a rollout adds, one that ends, and a Job's pod.
    largest = sizes.max_replicas + 3
    assert hard["pods"] == str(largest)
    assert hard["limits.memory"] == f"{largest * 256}Mi"
    assert hard["requests.cpu"] == f"{largest * 100}m"
    closed = {"persistentvolumeclaims", "services.loadbalancers", "services.nodeports"}
    assert {hard[key] for key in closed} == {"0"}
