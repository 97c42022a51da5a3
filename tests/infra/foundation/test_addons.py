"""What a new cluster runs before a stack stands on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.foundation.addons import records_policy
from infra.foundation.external_secrets_operator import ARGUMENTS, RULES
from infra.policies.catalogue import violations
from infra.stacks import main
from infra.versions import pinned
from tests.infra.policies.resources import declared
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Deployment, deploy

ROOT = Path(__file__).resolve().parents[3]
ADDON = "aws:eks/addon:Addon"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
EACH = {"dns": {"zoneId": "Z0123456789", "records": "each"}}


@pytest.fixture(scope="module")
def with_dns() -> Deployment:
    return deploy("staging", main, config=STAGING_CONFIG | CREATED_CLUSTER | EACH)


def sandboxs_role() -> dict[str, Any]:
    path = ROOT / "sandbox/cluster/manifests/external-secrets.yaml"
    return next(d for d in yaml.safe_load_all(path.read_text()) if d["kind"] == "ClusterRole")


def test_an_existing_cluster_keeps_its_own(staging: Deployment) -> None:
    types = {r.type for r in staging.registrations}
    assert (
        types & {ADDON, DEFINITION, "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"} == set()
    )


def test_the_operator_may_do_what_the_sandbox_shows_to_be_enough() -> None:
    def normal(rules: Any) -> list[str]:
        return sorted(
            json.dumps({k: sorted(v) for k, v in rule.items()}, sort_keys=True) for rule in rules
        )

    assert normal(RULES) == normal(sandboxs_role()["rules"])


def test_the_operator_runs_as_in_the_sandbox() -> None:
    """But for addresses, logs, and the one store that a namespace has no use for."""
    text = (ROOT / "sandbox/cluster/processes.py").read_text()
    switches = {a for a in ARGUMENTS if a.startswith("--enable-")}
    assert {s for s in switches if s not in text} == {"--enable-cluster-store-reconciler=false"}


def test_a_stack_s_secrets_come_after_the_operator(new_staging: Deployment) -> None:
    operator = new_staging.one(DEPLOYMENT, "external-secrets-controller")
    definitions = [r for r in new_staging.registrations if r.type == DEFINITION]
    assert len(definitions) == 10
    for resource in new_staging.registrations:
        if resource.type.startswith("kubernetes:external-secrets.io/"):
            assert new_staging.comes_after(resource, operator), resource.name
            for definition in definitions:
                assert new_staging.comes_after(resource, definition), resource.name


def test_the_operator_starts_after_its_permissions_and_walls(new_staging: Deployment) -> None:
    operator = new_staging.one(DEPLOYMENT, "external-secrets-controller")
    for type_, name in (
        ("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", "external-secrets-binding"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "external-secrets-network"),
        ("kubernetes:core/v1:ServiceAccount", "external-secrets-account"),
    ):
        assert new_staging.comes_after(operator, new_staging.one(type_, name))


def test_the_operator_is_confined_and_on_the_controllers_nodes(new_staging: Deployment) -> None:
    spec = new_staging.one(DEPLOYMENT, "external-secrets-controller").inputs["spec"]
    pod = spec["template"]["spec"]
    assert pod["nodeSelector"] == {"karpenter.sh/nodepool": "system"}
    assert pod["tolerations"] == [{"key": "CriticalAddonsOnly", "operator": "Exists"}]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["image"] == pinned().external_secrets.reference
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    # Without a leader, two must never work at once.
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_a_copy_of_the_image_can_stand_for_it() -> None:
    image = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/eso@sha256:{64 * 'a'}"
    cluster = CREATED_CLUSTER["cluster"] | {"externalSecretsImage": image}
    config = STAGING_CONFIG | {"cluster": cluster, "network": {"egress": "endpoints"}}
    stack = deploy("staging", main, config=config)
    pod = stack.one(DEPLOYMENT, "external-secrets-controller").inputs["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == image


def test_add_ons_are_pinned_and_on_the_controllers_nodes(with_dns: Deployment) -> None:
    found = {r.inputs["addonName"]: r.inputs for r in with_dns.registrations if r.type == ADDON}
    assert {name: inputs["addonVersion"] for name, inputs in found.items()} == pinned().addons
    for inputs in found.values():
        assert inputs["clusterName"] == "lab"
        settings = json.loads(inputs["configurationValues"])
        assert settings["nodeSelector"] == {"karpenter.sh/nodepool": "system"}
        assert settings["tolerations"] == [{"key": "CriticalAddonsOnly", "operator": "Exists"}]


def test_without_a_record_for_each_stack_nobody_writes_records(new_staging: Deployment) -> None:
    names = {r.inputs["addonName"] for r in new_staging.registrations if r.type == ADDON}
    assert names == {"metrics-server"}


def test_external_dns_looks_at_our_ingresses_in_our_zone(with_dns: Deployment) -> None:
    addon = with_dns.one(ADDON, "external-dns").inputs
    settings = json.loads(addon["configurationValues"])
    assert settings["domainFilters"] == ["preview.example.com"]
    assert settings["sources"] == ["ingress"]
    assert settings["policy"] == "sync"
    assert settings["extraArgs"] == ["--zone-id-filter=Z0123456789", "--ingress-class=previews"]
    assert addon["podIdentityAssociations"] == [
        {
            "roleArn": "arn:aws:iam::123456789012:role/lab-external-dns",
            "serviceAccount": "external-dns",
        }
    ]


def test_only_its_own_pod_in_this_cluster_may_take_its_role(with_dns: Deployment) -> None:
    trust = json.loads(with_dns.one("aws:iam/role:Role", "dns-role").inputs["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-west-1:123456789012:cluster/lab",
            "aws:RequestTag/kubernetes-namespace": "external-dns",
            "aws:RequestTag/kubernetes-service-account": "external-dns",
        }
    }


def test_it_may_change_the_previews_names_and_no_others() -> None:
    statements = json.loads(records_policy("preview.example.com", "Z1"))["Statement"]
    changing = [s for s in statements if "Change" in s["Action"]]
    assert [(s["Resource"], s["Condition"]) for s in changing] == [
        (
            "arn:aws:route53:::hostedzone/Z1",
            {
                "ForAllValues:StringLike": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                        "*.preview.example.com"
                    ]
                }
            },
        )
    ]
    assert {s["Action"] for s in statements} == {
        "route53:ChangeResourceRecordSets",
        "route53:ListResourceRecordSets",
        "route53:ListHostedZones",
    }


def test_no_policy_forbids_what_a_new_cluster_holds(with_dns: Deployment) -> None:
    found = {(v.rule, v.resource.name) for v in violations(declared(with_dns))}
    # Until somebody with a way to the registry has run `make versions`.
    by_tag = {("image-by-digest", "external-secrets-controller")}
    assert found == (set() if pinned().external_secrets.digest else by_tag)
