"""In the cluster, an unreviewed program reads previews' objects, and writes nothing."""

from __future__ import annotations

import pytest

from infra.ci.plan_access import PLANNER, PLANNERS
from infra.stacks import main
from tests.infra.ci.test_deploy_role import GITHUB
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Deployment, deploy

ENTRY = "aws:eks/accessEntry:AccessEntry"
ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"


@pytest.fixture(scope="module")
def with_ci() -> Deployment:
    """Stack ``staging`` with the roles that CI takes."""
    return deploy("staging", main, config=STAGING_CONFIG | CREATED_CLUSTER | {"github": GITHUB})


def test_the_planner_has_no_right_to_write(with_ci: Deployment) -> None:
    rules = with_ci.one(ROLE, "ci-planner-role").inputs["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert resources >= {"configmaps", "namespaces"}
    # What staging publishes, by its name.
    [named] = [rule for rule in rules if "configmaps" in rule["resources"]]
    assert named["resourceNames"] == ["platform-outputs"]
    assert not resources & {"secrets", "*"}


def test_it_reads_objects_of_previews_alone(with_ci: Deployment) -> None:
    reads = with_ci.one(ASSOCIATION, "ci-preview-infra-plan-reads").inputs
    assert reads["policyArn"].endswith("/AmazonEKSViewPolicy")
    assert reads["accessScope"] == {"type": "namespace", "namespaces": ["pr-*"]}
    assert reads["principalArn"] == with_ci.outputs["deployRoles"]["preview-infra-plan"]


def test_no_other_group_is_the_planners(with_ci: Deployment) -> None:
    entry = with_ci.one(ENTRY, "ci-preview-infra-plan")
    binding = with_ci.one(BINDING, "ci-planner-binding")
    assert entry.inputs["kubernetesGroups"] == [PLANNERS]
    assert [subject["name"] for subject in binding.inputs["subjects"]] == [PLANNERS]
    assert binding.inputs["roleRef"]["name"] == PLANNER
    assert with_ci.comes_after(entry, binding)


def test_an_approved_program_has_the_limits_of_any_preview(with_ci: Deployment) -> None:
    ordinary = with_ci.one(ENTRY, "ci-preview")
    entry = with_ci.one(ENTRY, "ci-preview-infra")
    assert entry.inputs["kubernetesGroups"] == ordinary.inputs["kubernetesGroups"]
    assert entry.inputs["principalArn"] == with_ci.outputs["deployRoles"]["preview-infra"]
    policy = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding"
    assert with_ci.comes_after(entry, with_ci.one(policy, "ci-preview-namespaces-enforced"))


def test_what_executes_an_unreviewed_program_reads_no_bypass() -> None:
    sign_in = {"access": {"signIn": "cognito", "userPoolDomain": "acme"}}
    found = deploy("staging", main, config=STAGING_CONFIG | {"github": GITHUB} | sign_in)
    named = {r.name for r in found.registrations if r.name.startswith("sign-in-")}
    assert named >= {"sign-in-preview", "sign-in-preview-infra", "sign-in-staging"}
    assert "sign-in-preview-infra-plan" not in named
