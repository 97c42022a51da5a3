"""The namespace's guard rails."""

from __future__ import annotations

from typing import Any

import pytest

from contract.app.model import App
from infra.app.preview_namespace import quota
from infra.app.sizes import app_sizes
from infra.config.models import LimitsConfig, ServiceConfig
from tests.infra.world import SERVICE_CONFIG, Deployment

NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def test_pod_security_is_restricted(preview: Deployment) -> None:
    labels = preview.one("kubernetes:core/v1:Namespace").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["previews/stack"] == "pr-42"
    assert labels["previews/pull-request"] == "42"


def test_no_account_has_its_token_in_a_pod(preview: Deployment) -> None:
    accounts = [r for r in preview.registrations if r.type == "kubernetes:core/v1:ServiceAccount"]
    assert {r.inputs["metadata"]["name"] for r in accounts} == {"service", "external-secrets"}
    assert all(r.inputs["automountServiceAccountToken"] is False for r in accounts)


def test_a_container_without_sizes_gets_some_and_none_gets_more(preview: Deployment) -> None:
    limits = preview.one("kubernetes:core/v1:LimitRange").inputs["spec"]["limits"]
    assert limits == [
        {
            "type": "Container",
            "default": {"cpu": "1", "memory": "256Mi"},
            "defaultRequest": {"cpu": "100m", "memory": "256Mi"},
            "max": {"cpu": "1", "memory": "256Mi"},
        }
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (
            {},
            {
                "pods": "5",
                "requests.cpu": "500m",
                "requests.memory": "1280Mi",
                "limits.cpu": "5000m",
                "limits.memory": "1280Mi",
            },
        ),
        (
            {"cpu": "2", "cpuLimit": "2500m", "memory": "100Mi", "maxReplicas": 7},
            {
                "pods": "10",
                "requests.cpu": "20000m",
                "requests.memory": "1000Mi",
                "limits.cpu": "25000m",
                "limits.memory": "1000Mi",
            },
        ),
    ],
)
def test_the_quota_is_what_the_service_needs_at_its_largest(
    sizes: dict[str, Any], expected: dict[str, str]
) -> None:
    config = ServiceConfig.model_validate(SERVICE_CONFIG | sizes)
    found = quota(app_sizes(App(), config, LimitsConfig()))
    assert expected.items() <= found.items()
    assert {found[key] for key in found.keys() - expected.keys()} == {"0"}


def test_nothing_gets_in_or_out_by_default(preview: Deployment) -> None:
    spec = preview.one(NETWORK_POLICY, "default-deny").inputs["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_pod_but_needed_servers_gets_to_dns_and_the_database(preview: Deployment) -> None:
    spec = preview.one(NETWORK_POLICY, "allow-dns-and-database").inputs["spec"]
    [expression] = spec["podSelector"]["matchExpressions"]
    assert expression == {
        "key": "app.kubernetes.io/name",
        "operator": "NotIn",
        "values": ["redis", "mail"],
    }
    assert spec["policyTypes"] == ["Egress"]
    dns, database = spec["egress"]
    assert dns == {
        "ports": DNS,
        "to": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                },
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            {"ipBlock": {"cidr": "172.20.0.0/16"}},
        ],
    }
    assert database == {
        "ports": [{"port": 5432, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.1.0/24"}}, {"ipBlock": {"cidr": "10.0.2.0/24"}}],
    }


def test_only_the_load_balancer_gets_to_the_service(preview: Deployment) -> None:
    spec = preview.one(NETWORK_POLICY, "allow-load-balancer-service").inputs["spec"]
    assert spec == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "service"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [
                    {"ipBlock": {"cidr": "10.0.0.0/16"}},
                    {"ipBlock": {"cidr": "100.64.0.0/16"}},
                ],
                "ports": [{"port": 8000, "protocol": "TCP"}],
            }
        ],
    }


def test_the_pods_that_policies_select_carry_those_labels(preview: Deployment) -> None:
    template = preview.one("kubernetes:apps/v1:Deployment").inputs["spec"]["template"]
    assert template["metadata"]["labels"] == {"app.kubernetes.io/name": "service"}
