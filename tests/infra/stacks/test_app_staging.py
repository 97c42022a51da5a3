"""Another app on the platform: its staging, its previews, and that they share no name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.errors import ProgramError
from infra.policies.catalogue import violations
from infra.policies.declared import Declared
from infra.source import CHECKOUT, app_folder
from infra.stacks import main
from tests.infra.world import (
    CREATED_CLUSTER,
    PREVIEW_CONFIG,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    deploy,
)

ORDERS = "orders"
PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
SOURCE = {"source": "tests/apps/orders/backend"}
APP_STAGING: dict[str, Any] = {
    key: STAGING_CONFIG[key]
    for key in ("service", "access", "database", "ttlDays", "commit", "repository")
} | {"platform": "previews", **SOURCE}
CI: dict[str, Any] = {
    "github": {
        "repository": "acme/platform",
        "repositoryId": "1",
        "subjectPrefix": "repo:acme@1234/platform@1",
    },
    "apps": [
        {
            "name": ORDERS,
            "repository": "acme/orders",
            "repositoryId": "456789",
            "subjectPrefix": "repo:acme@1234/orders@456789",
            "branch": "trunk",
            "monthlyUsd": 90,
        }
    ],
    "budget": {"emails": ["platform@example.com"]},
}
BRANCHES = {"branches": {"enabled": True}}
# Registries have the digests of the published images.
COPIES = {
    "needs": {f"{need}Image": f"copies/{need}@sha256:{64 * 'a'}" for need in ("redis", "mail")}
}


@pytest.fixture(scope="module")
def platform() -> Deployment:
    """The platform's staging, with roles of CI for the other app."""
    config = STAGING_CONFIG | CREATED_CLUSTER | CI | BRANCHES | COPIES
    return deploy("staging", main, config=config)


@pytest.fixture(scope="module")
def staging(platform: Deployment) -> Deployment:
    """The other app's staging, with shared servers."""
    cloud = Cloud(staging=platform.outputs)
    return deploy("staging", main, config=APP_STAGING | BRANCHES, cloud=cloud, project=ORDERS)


@pytest.fixture(scope="module")
def preview(staging: Deployment) -> Deployment:
    """A preview of the other app."""
    cloud = Cloud(staging=staging.outputs)
    return deploy("pr-42", main, config=PREVIEW_CONFIG | SOURCE, cloud=cloud, project=ORDERS)


def names(deployment: Deployment) -> set[tuple[str, str]]:
    """Return type and name of all that shares its names with the account, cluster or balancer."""
    found: set[tuple[str, str]] = set()
    for made in deployment.registrations:
        if not made.custom or made.type.startswith("pulumi:"):
            continue
        metadata: dict[str, Any] = made.inputs.get("metadata") or {}
        name: str | None = (
            metadata.get("name") or made.inputs.get("identifier") or made.inputs.get("name")
        )
        if made.type.startswith(("aws:iam/rolePolicy", "aws:ecr/lifecycle")):
            name = made.inputs.get("role") or made.inputs.get("repository")
        found.add((made.type, f"{metadata.get('namespace', '')}/{name or ''}"))
    return found


def test_two_apps_share_no_name(platform: Deployment, staging: Deployment) -> None:
    """Not even with the same stack: whatever has no name of its own has one of its namespace."""
    shared = {(kind, name) for kind, name in names(platform) & names(staging) if name != "/"}
    assert shared == set()


def test_two_previews_of_one_number_share_no_name(preview: Deployment) -> None:
    own = deploy(
        "pr-42",
        main,
        config=PREVIEW_CONFIG,
        cloud=Cloud(staging=deploy("staging", main, config=STAGING_CONFIG).outputs),
    )
    shared = {(kind, name) for kind, name in names(preview) & names(own) if name != "/"}
    assert shared == set()


def test_staging_declares_nothing_of_the_platform(staging: Deployment) -> None:
    kinds = {made.type for made in staging.registrations}
    assert not [
        kind
        for kind in kinds
        if kind.startswith(("aws:ec2/vpc", "aws:eks/", "eks:", "aws:budgets/", "aws:acm/"))
        or kind == PROVIDER
        or "CustomResourceDefinition" in kind
        or "IngressClass" in kind
    ]
    assert "deployRoles" not in staging.outputs


def test_it_publishes_all_that_its_previews_need(platform: Deployment, staging: Deployment) -> None:
    theirs, ours = platform.outputs["platform"], staging.outputs["platform"]
    assert ours.keys() == theirs.keys()
    for shared in ("region", "domain", "cluster", "ingress", "sign_in"):
        assert ours[shared] == theirs[shared]
    assert ours["database"]["instance"] == "orders-staging"
    assert ours["database"]["subnet_group"] == "orders-staging-database"
    assert ours["database"]["subnet_ids"] == theirs["database"]["subnet_ids"]
    assert ours["branches"]["namespace"] == "orders-branches"
    assert ours["boundaries"] == platform.outputs["apps"][ORDERS]
    assert ours["boundaries"] != theirs["boundaries"]


def test_a_preview_is_named_tagged_and_served_by_its_app(preview: Deployment) -> None:
    instance = preview.one("aws:rds/instance:Instance")
    assert instance.inputs["identifier"] == "orders-pr-42"
    assert instance.inputs["dbSubnetGroupName"] == "orders-staging-database"
    tags = instance.inputs["tags"]
    assert (tags["stack"], tags["app"], tags["pull-request"]) == ("orders-pr-42", ORDERS, "42")
    namespace = preview.one("kubernetes:core/v1:Namespace").inputs["metadata"]
    assert namespace["name"] == namespace["labels"]["previews/stack"] == "orders-pr-42"
    assert preview.outputs["url"] == "https://orders-pr-42.preview.example.com"
    role = preview.one("aws:iam/role:Role")
    assert role.inputs["name"] == "orders-pr-42-secrets"
    assert "system:serviceaccount:orders-pr-42:" in role.inputs["assumeRolePolicy"]


def test_the_policies_hold_for_it(staging: Deployment, preview: Deployment) -> None:
    for deployment in (staging, preview):
        declared = [
            Declared(r.urn, r.type, r.name, r.inputs, r.deleted_with)
            for r in deployment.registrations
        ]
        assert [str(found) for found in violations(declared)] == []


def test_the_platforms_own_resources_have_no_further_tag(platform: Deployment) -> None:
    """What is deployed already doesn't change for being one of several."""
    for made in platform.registrations:
        assert "app" not in (made.inputs.get("tags") or {})


def test_each_app_has_roles_boundaries_and_a_budget(platform: Deployment) -> None:
    named = {made.inputs.get("name") for made in platform.registrations}
    assert {
        *("previews-deploy-preview", "previews-deploy-staging"),
        *("orders-deploy-preview", "orders-deploy-staging"),
        *("previews-preview-secrets", "orders-preview-secrets", "orders-data-secrets"),
        "orders-previews",
    } <= named
    assert set(platform.outputs["deployRoles"]) == {
        *("preview", "staging", "orders-preview", "orders-staging"),
        # A program is the platform's alone to change.
        *("preview-infra", "preview-infra-plan"),
    }
    trusted = json.loads(
        platform.one("aws:iam/role:Role", "deploy-orders-preview").inputs["assumeRolePolicy"]
    )
    equals = trusted["Statement"][0]["Condition"]["StringEquals"]
    subject = "token.actions.githubusercontent.com:sub"
    assert equals[subject] == "repo:acme@1234/orders@456789:environment:orders-preview"
    budget = platform.one("aws:budgets/budget:Budget").inputs
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:app$orders"]}]
    assert platform.one(PROVIDER)


@pytest.mark.parametrize(
    ("environment", "name", "yes", "no"),
    [
        ("preview", "orders-previews-deployer", "orders-pr-42", "pr-42"),
        ("staging", "orders-previews-stager", "orders-branches", "branches"),
    ],
)
def test_each_role_writes_to_its_own_namespaces(
    platform: Deployment, environment: str, name: str, yes: str, no: str
) -> None:
    entry = platform.one("aws:eks/accessEntry:AccessEntry", f"ci-orders-{environment}")
    assert entry.inputs["kubernetesGroups"] == [f"previews:{name}"]
    policy = platform.one(
        "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
        f"ci-orders-{environment}-namespaces",
    )
    assert policy.inputs["metadata"]["name"] == name
    (condition,) = policy.inputs["spec"]["matchConditions"]
    assert condition["expression"] == f"'previews:{name}' in request.userInfo.groups"
    (rule,) = policy.inputs["spec"]["validations"]
    (pattern,) = re.findall(r"matches\('(.*)'\)$", rule["expression"])
    assert re.fullmatch(pattern, yes)
    assert not re.search(pattern, no)
    assert not re.search(pattern, "orders-eu-pr-42")
    assert not re.search(pattern, f"{yes}-x")
    assert policy.urn in entry.depends_on


def test_without_a_platform_it_says_which_one_is_lacking() -> None:
    with pytest.raises(ProgramError, match="stack staging of project previews"):
        deploy("staging", main, config=APP_STAGING, cloud=Cloud(), project=ORDERS)


def test_branches_need_the_platforms_definitions() -> None:
    cloud = Cloud(staging=deploy("staging", main, config=STAGING_CONFIG).outputs)
    with pytest.raises(ProgramError, match="the platform previews has the mode turned off"):
        deploy("staging", main, config=APP_STAGING | BRANCHES, cloud=cloud, project=ORDERS)


def test_a_project_that_no_app_can_have_is_refused() -> None:
    with pytest.raises(Exception, match="its part 'pr' is reserved"):
        deploy("staging", main, config=APP_STAGING, cloud=Cloud(), project="my-pr")


def test_a_source_that_is_no_folder_is_named() -> None:
    with pytest.raises(ProgramError, match="previews --app FOLDER"):
        app_folder("no-such-folder")


def test_an_image_is_built_from_the_apps_folder(preview: Deployment) -> None:
    program = CHECKOUT.folder / "infra"
    context = preview.one("docker-build:index:Image").inputs["context"]["location"]
    assert (program / context).resolve() == CHECKOUT.folder / SOURCE["source"]


def test_a_description_of_another_app_is_refused(staging: Deployment) -> None:
    cloud = Cloud(staging=staging.outputs)
    with pytest.raises(Exception, match="it is 'orders', but this is the Pulumi project of"):
        deploy("pr-42", main, config=PREVIEW_CONFIG | SOURCE, cloud=cloud, project="bills")


@pytest.mark.parametrize(
    ("apps", "why"),
    [
        ([{**CI["apps"][0], "name": "a-pr"}], "reserved"),
        ([CI["apps"][0], CI["apps"][0]], "same name"),
    ],
)
def test_a_wrong_list_of_apps_is_refused(apps: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ProgramError, match=why):
        deploy("staging", main, config=STAGING_CONFIG | CI | {"apps": apps})


def test_apps_need_an_identity_provider_and_somebody_to_alert() -> None:
    for lacking, why in (("github", "set github too"), ("budget", "set budget.emails too")):
        config = {key: value for key, value in CI.items() if key != lacking}
        with pytest.raises(ProgramError, match=why):
            deploy("staging", main, config=STAGING_CONFIG | config)
