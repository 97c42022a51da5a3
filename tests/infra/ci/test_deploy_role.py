"""Who may take CI's roles, and that they are made only where it is said whose they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.ci.deploy_role import ISSUER, WORKFLOWS, trust_policy
from infra.config.platform import AppConfig, GithubConfig
from infra.errors import ProgramError
from infra.stacks import main
from tests.infra.ci.permissions.simulator import take, unknown
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

GITHUB: dict[str, Any] = {
    "repository": "acme/orders",
    "repositoryId": "456789",
    "subjectPrefix": "repo:acme@1234/orders@456789",
}
CONFIG = GithubConfig.model_validate(GITHUB)
PROVIDER = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"
ROLE = "arn:aws:iam::123456789012:role/previews-deploy-preview"
FOLDER = Path(__file__).resolve().parents[3] / ".github" / "workflows"

RIGHT = {
    "aud": "sts.amazonaws.com",
    "sub": "repo:acme@1234/orders@456789:environment:preview",
    "repository_id": "456789",
    "ref": "refs/heads/main",
    "job_workflow_ref": "acme/orders/.github/workflows/preview.yml@refs/heads/main",
}
WRONG = {
    "aud": ["https://github.com/acme", "sts.amazonaws.com.evil.com"],
    "sub": [
        "repo:acme@1234/orders@456789:environment:staging",
        "repo:acme@1234/orders@456789:environment:preview2",
        "repo:acme@1234/orders@456789:ref:refs/heads/main",
        "repo:acme@1234/orders@456789:pull_request",
        "repo:acme/orders:environment:preview",
        "repo:evil@9/orders@456789:environment:preview",
    ],
    "repository_id": ["999999"],
    "ref": ["refs/pull/42/merge", "refs/heads/feature", "refs/tags/main"],
    "job_workflow_ref": [
        "acme/orders/.github/workflows/preview.yml@refs/pull/42/merge",
        "acme/orders/.github/workflows/preview.yml@refs/heads/feature",
        "acme/orders/.github/workflows/staging.yml@refs/heads/main",
        "evil/orders/.github/workflows/preview.yml@refs/heads/main",
    ],
}


def claims(**changes: str | None) -> dict[str, str]:
    """A token's claims under AWS's names for them."""
    return {
        f"{ISSUER}:{name}": value for name, value in (RIGHT | changes).items() if value is not None
    }


@pytest.fixture(scope="module")
def guarded() -> Deployment:
    """Stack ``staging`` with the roles that CI takes."""
    return deploy("staging", main, config=STAGING_CONFIG | {"github": GITHUB})


def test_a_job_that_is_let_in_takes_the_role() -> None:
    trust = trust_policy(CONFIG, "preview", PROVIDER)
    files = WORKFLOWS["preview"]
    refs = [f"acme/orders/.github/workflows/{file}@refs/heads/main" for file in files]
    tries = [claims(job_workflow_ref=ref) for ref in refs]
    assert take(tries, ROLE, trust, PROVIDER) == ["Allowed"] * len(files)


def test_a_program_that_is_compared_takes_no_other_role_and_no_other_job_takes_its() -> None:
    """It can ask for tokens of any audience, and those name the file that the job is from."""
    subject = "repo:acme@1234/orders@456789:environment:preview-infra-plan"
    trust = trust_policy(CONFIG, "preview-infra-plan", PROVIDER)
    files = ("preview-infra-diff.yml", "preview.yml")
    refs = [f"acme/orders/.github/workflows/{file}@refs/heads/main" for file in files]
    tries = [claims(sub=subject, job_workflow_ref=ref) for ref in refs]
    assert take(tries, ROLE, trust, PROVIDER) == ["Allowed", "ImplicitlyDenied"]
    for environment in WORKFLOWS.keys() - {"preview-infra-plan"}:
        assert "preview-infra-diff.yml" not in WORKFLOWS[environment]


def test_one_claim_that_differs_or_is_missing_keeps_a_job_out() -> None:
    wrong = [(name, value) for name, values in WRONG.items() for value in values]
    missing = [(name, None) for name in RIGHT]
    tries = [claims(**{name: value}) for name, value in [*wrong, *missing]]
    found = take(tries, ROLE, trust_policy(CONFIG, "preview", PROVIDER), PROVIDER)
    assert found == ["ImplicitlyDenied"] * len(tries)


CALLER = AppConfig.model_validate(
    {
        "name": "billing",
        "repository": "acme/billing",
        "repositoryId": "777",
        "subjectPrefix": "repo:acme@1234/billing@777",
        "branch": "trunk",
    }
)
CALLED = {
    "sub": "repo:acme@1234/billing@777:environment:billing-preview",
    "repository_id": "777",
    "ref": "refs/heads/trunk",
}
"""Claims that differ in the token of a job of another app, which calls the platform's workflow."""


def called(reference: str, file: str = "preview.yml", repository: str = "acme/orders") -> str:
    return f"{repository}/.github/workflows/{file}@{reference}"


@pytest.mark.parametrize("references", [None, ["refs/tags/v1", "refs/heads/stable"]])
def test_another_app_s_job_takes_its_role_in_a_workflow_that_it_calls(
    references: list[str] | None,
) -> None:
    platform = GithubConfig.model_validate(GITHUB | {"references": references})
    trust = trust_policy(CALLER, "preview", PROVIDER, CALLER.app, platform)
    trusted = references or ["refs/heads/main"]
    allowed = [
        claims(**CALLED, job_workflow_ref=called(reference, file))
        for reference in trusted
        for file in WORKFLOWS["preview"]
    ]
    assert take(allowed, ROLE, trust, PROVIDER) == ["Allowed"] * len(allowed)

    refused = [
        # A commit may be any fork's: GitHub finds it under the repository's own name.
        called("0123456789abcdef0123456789abcdef01234567"),
        called("refs/pull/42/merge"),
        called("refs/heads/feature"),
        called(trusted[0], "staging.yml"),
        called(trusted[0], repository="evil/orders"),
        called("refs/heads/trunk", repository="acme/billing"),
    ]
    tries = [claims(**CALLED, job_workflow_ref=ref) for ref in refused]
    tries += [
        claims(**{**CALLED, **other, "job_workflow_ref": called(trusted[0])})
        for other in (
            # The caller's file is a pull request's, or another branch's.
            {"ref": "refs/pull/42/merge"},
            {"ref": "refs/heads/main"},
            {"sub": "repo:acme@1234/billing@777:environment:preview"},
            {"sub": "repo:acme@1234/billing@777:environment:billing-staging"},
            {"repository_id": "456789"},
        )
    ]
    assert take(tries, ROLE, trust, PROVIDER) == ["ImplicitlyDenied"] * len(tries)


def test_the_platform_s_own_roles_trust_its_own_branch_alone() -> None:
    platform = GithubConfig.model_validate(GITHUB | {"references": ["refs/tags/v1"]})
    assert trust_policy(platform, "preview", PROVIDER, platform=platform) == trust_policy(
        CONFIG, "preview", PROVIDER
    )


def test_the_roles_trust_each_its_own_environment_and_nothing_by_a_wildcard() -> None:
    for environment in WORKFLOWS:
        trust = trust_policy(CONFIG, environment, PROVIDER)
        assert "*" not in trust
        assert "?" not in trust
        (statement,) = json.loads(trust)["Statement"]
        assert list(statement["Condition"]) == ["StringEquals"]
        assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"].endswith(
            f":environment:{environment}"
        )


def test_aws_knows_the_claims_that_only_github_has() -> None:
    action = "sts:AssumeRoleWithWebIdentity"
    # The two that every identity provider has are in no service's list of conditions.
    assert unknown(trust_policy(CONFIG, "preview", PROVIDER)) == [
        f"{action}: it knows no condition {ISSUER}:{claim}" for claim in ("aud", "sub")
    ]


def workflows_with_credentials() -> Iterator[tuple[str, str]]:
    """Each workflow file whose jobs ask for a token, and the environment that lets them in."""
    for file in sorted(FOLDER.glob("*.yml")):
        jobs = yaml.safe_load(file.read_text())["jobs"]
        for job in jobs.values():
            asked = "id-token" in (job.get("permissions") or {})
            if asked and "AWS_ROLE_ARN" in json.dumps(job):
                # An app names its own environment; the two for a changed program have no other.
                name = re.fullmatch(
                    r"\$\{\{ inputs\.environment \|\| '(\w+)' \}\}|([\w-]+)",
                    job["environment"]["name"],
                )
                assert name is not None
                yield file.name, name[1] or name[2]


def test_the_workflows_that_take_a_role_are_those_that_the_roles_trust() -> None:
    taking = set(workflows_with_credentials())
    assert taking == {(file, name) for name, files in WORKFLOWS.items() for file in files}


def test_the_roles_are_made_with_their_policies_and_a_boundary(guarded: Deployment) -> None:
    names = {f"deploy-{environment}" for environment in WORKFLOWS}
    roles = [r for r in guarded.registrations if r.name in names]
    assert {r.inputs["name"] for r in roles} == {
        "previews-deploy-preview",
        "previews-deploy-preview-infra",
        "previews-deploy-staging",
        "previews-plan-preview-infra",
    }
    preview = guarded.one("aws:iam/rolePolicy:RolePolicy", "deploy-preview-permissions")
    text = preview.inputs["policy"]
    assert "arn:aws:rds:eu-west-1:123456789012:db:pr-*" in text
    assert "arn:aws:eks:eu-west-1:123456789012:cluster/lab" in text
    assert "{" not in json.loads(text)["Statement"][0]["Resource"][0]
    boundary = guarded.one("aws:iam/policy:Policy", "boundary").inputs
    assert boundary["name"] == "previews-preview-secrets"
    data = guarded.one("aws:iam/policy:Policy", "data-boundary").inputs
    assert data["name"] == "previews-data-secrets"
    assert '"aws:PrincipalTag/stack": "data-*"' in data["policy"]
    assert "oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC" in data["policy"]
    staging = guarded.one("aws:iam/rolePolicy:RolePolicy", "deploy-staging-permissions")
    assert "arn:aws:iam::123456789012:policy/previews-data-secrets" in staging.inputs["policy"]
    assert "previews-data-secrets" not in text
    assert set(guarded.outputs["deployRoles"]) == set(WORKFLOWS)


def test_an_existing_identity_provider_is_used(guarded: Deployment) -> None:
    made = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    assert guarded.one(made).inputs["url"] == f"https://{ISSUER}"
    config = STAGING_CONFIG | {"github": GITHUB | {"providerArn": PROVIDER}}
    found = deploy("staging", main, config=config)
    assert made not in {r.type for r in found.registrations}
    trust = found.one("aws:iam/role:Role", "deploy-preview").inputs["assumeRolePolicy"]
    assert json.loads(trust)["Statement"][0]["Principal"] == {"Federated": PROVIDER}


def test_a_bucket_of_state_is_written_only_where_a_stack_is_the_roles_own() -> None:
    state = {"stateBucket": "acme-state", "stateKey": "alias/acme-state"}
    config = STAGING_CONFIG | {"github": GITHUB | state}
    found = deploy("staging", main, config=config)
    policy = found.one("aws:iam/rolePolicy:RolePolicy", "deploy-preview-permissions")
    assert "acme-state/.pulumi/stacks/previews/pr-*" in policy.inputs["policy"]
    assert '"kms:ResourceAliases": "alias/acme-state"' in policy.inputs["policy"]


def test_without_github_no_role_is_made_for_ci(staging: Deployment) -> None:
    assert "previews:platform:DeployRoles" not in {r.type for r in staging.registrations}
    assert staging.outputs["platform"]["boundaries"]["preview"] == ""


def test_a_previews_role_has_the_boundary_and_stagings_has_none(guarded: Deployment) -> None:
    cloud = Cloud(staging=guarded.outputs)
    preview = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=cloud)
    boundary = guarded.outputs["platform"]["boundaries"]["preview"]
    assert boundary
    reader = preview.one("aws:iam/role:Role", "reader-role").inputs
    assert reader["permissionsBoundary"] == boundary
    assert "permissionsBoundary" not in guarded.one("aws:iam/role:Role", "reader-role").inputs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("repository", "orders"),
        ("repositoryId", "orders"),
        ("subjectPrefix", "repo:acme/*"),
        ("subjectPrefix", "repo:acme/orders:environment:preview"),
        ("branch", "ma*n"),
        ("references", ["0123456789abcdef0123456789abcdef01234567"]),
        ("references", ["v1"]),
        ("references", ["refs/pull/42/merge"]),
        ("references", ["refs/tags/*"]),
        ("stateBucket", "Acme/state"),
        ("stateKey", "alias/*"),
        ("providerArn", "arn:aws:iam::1:oidc-provider/evil.com"),
    ],
)
def test_what_could_widen_the_trust_is_refused(key: str, value: Any) -> None:
    config = STAGING_CONFIG | {"github": GITHUB | {key: value}}
    with pytest.raises(ProgramError, match=rf"previews:github\.{key}\b.* is wrong"):
        deploy("staging", main, config=config)


def test_what_is_missing_is_named_with_how_to_find_it_out() -> None:
    with pytest.raises(ProgramError, match=r"previews:github\.subjectPrefix is not set") as caught:
        deploy("staging", main, config=STAGING_CONFIG | {"github": {"repository": "acme/orders"}})
    assert "actions/oidc/customization/sub" in str(caught.value)
