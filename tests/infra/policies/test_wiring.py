"""The rules on objects that have to find each other, both ways, on the program's own."""

from __future__ import annotations

from typing import Any

import pytest

from infra.policies.catalogue import RULES, STACK_RULES
from tests.infra.policies.resources import changed, declared, one
from tests.infra.world import Deployment

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
SERVICE = "kubernetes:core/v1:Service"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
AUTOSCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"

CONTAINER = "spec/template/spec/containers/0"

ALONE: list[tuple[str, str, str, Any, str]] = [
    ("ports-found", DEPLOYMENT, f"{CONTAINER}/livenessProbe/httpGet/port", "web", "uses web"),
    ("ports-found", DEPLOYMENT, f"{CONTAINER}/readinessProbe/httpGet/port", 81, "uses 81"),
    ("ports-found", DEPLOYMENT, f"{CONTAINER}/startupProbe/httpGet/port", 81, "startupProbe"),
    ("ports-found", DEPLOYMENT, f"{CONTAINER}/ports/0/containerPort", 22, "SSH's"),
    ("ports-found", DEPLOYMENT, f"{CONTAINER}/ports/0/name", "HTTP_", "no name of a port"),
    ("account-by-its-name", JOB, "spec/template/spec/serviceAccount", "other", "'other'"),
    ("variables-once", JOB, f"{CONTAINER}/env/1", {"name": "DATABASE_HOST"}, "DATABASE_HOST"),
    ("selects-its-own", DEPLOYMENT, "spec/selector/matchLabels", {"app": "x"}, "{'app': 'x'}"),
    ("selects-its-own", DEPLOYMENT, "spec/selector/matchLabels", {}, "it selects {}"),
    ("replicas-spread", DEPLOYMENT, "spec/template/spec/topologySpreadConstraints", [], "spreads"),
    ("lets-nodes-go", BUDGET, "spec/maxUnavailable", 0, "lets no pod go"),
    ("lets-nodes-go", BUDGET, "spec/maxUnavailable", None, "lets no pod go"),
    ("lets-nodes-go", BUDGET, "spec/minAvailable", 1, "for ever"),
    ("lets-nodes-go", BUDGET, "spec/unhealthyPodEvictionPolicy", None, "AlwaysAllow"),
]
TOGETHER: list[tuple[str, str, Any, str]] = [
    (SERVICE, "spec/selector", {"app": "nobody"}, "no pod is labelled {'app': 'nobody'}"),
    (SERVICE, "spec/ports/0/targetPort", "web", "targetPort web"),
    (BUDGET, "spec/selector/matchLabels", {"app": "nobody"}, "no pod is labelled"),
    (AUTOSCALER, "spec/scaleTargetRef/name", "web", "no Deployment web to scale"),
    (AUTOSCALER, "spec/scaleTargetRef/kind", "StatefulSet", "no StatefulSet service"),
    (INGRESS, "spec/rules/0/http/paths/0/backend/service/name", "web", "no Service web"),
    (
        INGRESS,
        "spec/rules/0/http/paths/0/backend/service/port",
        {"number": 81},
        "has no port {'number': 81}",
    ),
    (DEPLOYMENT, "spec/template/spec/serviceAccountName", "root", "no service account root"),
    (JOB, "spec/template/spec/serviceAccountName", None, "default service account"),
]


@pytest.mark.parametrize(("rule", "type_", "path", "value", "says"), ALONE)
def test_a_rule_finds_what_is_broken_and_nothing_before(
    rule: str, type_: str, path: str, value: Any, says: str, preview: Deployment
) -> None:
    (tested,) = (each for each in RULES if each.name == rule)
    whole = one(preview, type_)
    assert tested.complaints(whole) == []
    found = tested.complaints(changed(whole, path.split("/"), value))
    assert [complaint for complaint in found if says in complaint], found


@pytest.mark.parametrize(("type_", "path", "value", "says"), TOGETHER)
def test_what_leads_nowhere_is_found_and_nothing_before(
    type_: str, path: str, value: Any, says: str, preview: Deployment
) -> None:
    (tested,) = (each for each in STACK_RULES if each.name == "objects-found")
    resources = declared(preview)
    assert tested.complaints(resources) == []
    whole = one(preview, type_)
    broken = changed(whole, path.split("/"), value)
    found = tested.complaints([broken if r == whole else r for r in resources])
    assert [complaint for r, complaint in found if r == broken and says in complaint], found
