"""Kubernetes' rules, one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.node.network_policy import EGRESS, INGRESS, Denial, Place, denial

APP = Place("10.0.9.1", "pr-42", {"app": "web", "tier": "front"}, {"team": "a"})
NEAR = Place("10.0.9.2", "pr-42", {"app": "db"}, {"team": "a"}, {("pg", "TCP"): 5432})
FAR = Place("10.0.9.3", "pr-43", {"app": "db"}, {"team": "b"})
OUTSIDE = Place("203.0.113.9")
OUTSIDE_V6 = Place("2001:db8::1")


def policy(name: str = "rule", namespace: str = "pr-42", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": [EGRESS], **spec},
    }


RULES: list[tuple[dict[str, Any], Place, int, str, bool]] = [
    ({}, OUTSIDE, 1, "TCP", True),
    # Ports.
    ({"ports": [{"port": 80}]}, OUTSIDE, 80, "TCP", True),
    ({"ports": [{"port": 80}]}, OUTSIDE, 81, "TCP", False),
    ({"ports": [{"port": 80}]}, OUTSIDE, 80, "UDP", False),
    ({"ports": [{"port": 80, "endPort": 90}]}, OUTSIDE, 90, "TCP", True),
    ({"ports": [{"port": 80, "endPort": 90}]}, OUTSIDE, 91, "TCP", False),
    ({"ports": [{"port": 80, "protocol": "UDP"}]}, OUTSIDE, 80, "UDP", True),
    ({"ports": [{"protocol": "UDP"}]}, OUTSIDE, 7, "UDP", True),
    ({"ports": [{"port": 1}, {"port": 2}]}, OUTSIDE, 2, "TCP", True),
    ({"ports": [{"port": "pg"}]}, NEAR, 5432, "TCP", True),
    ({"ports": [{"port": "pg"}]}, NEAR, 5433, "TCP", False),
    ({"ports": [{"port": "pg"}]}, FAR, 5432, "TCP", False),
    ({"ports": [{"port": "pg"}]}, OUTSIDE, 5432, "TCP", False),
    # Networks.
    ({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}, OUTSIDE, 1, "TCP", True),
    ({"to": [{"ipBlock": {"cidr": "203.0.112.0/24"}}]}, OUTSIDE, 1, "TCP", False),
    (
        {"to": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/31"]}}]},
        OUTSIDE, 1, "TCP", False,
    ),
    ({"to": [{"ipBlock": {"cidr": "10.0.9.0/24"}}]}, FAR, 1, "TCP", True),
    ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, OUTSIDE_V6, 1, "TCP", False),
    ({"to": [{"ipBlock": {"cidr": "::/0"}}]}, OUTSIDE_V6, 1, "TCP", True),
    # Selectors: of Pods, in this namespace unless another is selected.
    ({"to": [{"podSelector": {}}]}, NEAR, 1, "TCP", True),
    ({"to": [{"podSelector": {}}]}, FAR, 1, "TCP", False),
    ({"to": [{"podSelector": {}}]}, OUTSIDE, 1, "TCP", False),
    ({"to": [{"namespaceSelector": {}}]}, FAR, 1, "TCP", True),
    ({"to": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}, FAR, 1, "TCP", True),
    ({"to": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}, NEAR, 1, "TCP", False),
    (
        {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}]},
        FAR, 1, "TCP", False,
    ),
    # Either entry is enough; peer and port of one rule must both fit.
    ({"to": [{"podSelector": {}}, {"namespaceSelector": {}}]}, FAR, 1, "TCP", True),
    ({"to": [{"podSelector": {}}], "ports": [{"port": 2}]}, NEAR, 1, "TCP", False),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "target", "port", "protocol", "expected"), RULES)
def test_a_rule_is_read_as_kubernetes_reads_it(
    rule: dict[str, Any], target: Place, port: int, protocol: str, expected: bool
) -> None:
    found = denial(APP, target, port, protocol, [policy(egress=[rule])])
    assert found == (None if expected else Denial(EGRESS, ("rule",)))


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web", "tier": "front"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "web"]}]}, True),
        ({"matchExpressions": [{"key": "none", "operator": "In", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "none", "operator": "Exists"}],
            },
            False,
        ),
    ],
)
def test_a_pod_is_isolated_by_what_selects_it(selector: dict[str, Any], selects: bool) -> None:
    assert (denial(APP, OUTSIDE, 1, "TCP", [policy(podSelector=selector)]) is not None) is selects


@pytest.mark.parametrize(
    ("spec", "direction"),
    [
        ({"policyTypes": [EGRESS]}, EGRESS),
        ({"policyTypes": [EGRESS, INGRESS]}, EGRESS),
        ({"policyTypes": None, "egress": [{"ports": [{"port": 9}]}]}, EGRESS),
        ({"policyTypes": [INGRESS]}, None),
        ({"policyTypes": None}, None),
    ],
)
def test_left_out_types_are_ingress_and_what_has_rules(
    spec: dict[str, Any], direction: str | None
) -> None:
    found = denial(APP, OUTSIDE, 1, "TCP", [policy(**spec)])
    assert (found.direction if found else None) == direction


def test_both_ends_decide_and_each_by_the_policies_of_its_own_namespace() -> None:
    to_far = policy("out", egress=[{"to": [{"namespaceSelector": {}}]}])
    closed = policy("in", "pr-43", policyTypes=[INGRESS])
    assert denial(APP, FAR, 80, "TCP", [to_far]) is None
    assert denial(APP, FAR, 80, "TCP", [to_far, closed]) == Denial(INGRESS, ("in",))
    open_to_a = policy(
        "in-a",
        "pr-43",
        policyTypes=[INGRESS],
        ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}],
    )
    assert denial(APP, FAR, 80, "TCP", [to_far, closed, open_to_a]) is None
    # Nobody isolates the node, nor a Pod in a namespace without policies.
    assert denial(OUTSIDE, FAR, 80, "TCP", [to_far]) is None
    assert denial(FAR, OUTSIDE, 80, "TCP", [to_far]) is None


def test_policies_add_up_and_a_denial_names_them_all() -> None:
    deny, allow = policy("deny"), policy("allow", egress=[{"ports": [{"port": 53}]}])
    assert denial(APP, OUTSIDE, 53, "TCP", [deny, allow]) is None
    assert denial(APP, OUTSIDE, 54, "TCP", [deny, allow]) == Denial(EGRESS, ("allow", "deny"))


def test_an_operator_that_is_unknown_is_an_error_and_lets_nothing_through() -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}
    with pytest.raises(ValueError, match="Gt"):
        denial(APP, OUTSIDE, 1, "TCP", [policy(podSelector=selector)])
