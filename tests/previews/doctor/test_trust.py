"""The trust policy of a role, compared in full: one row for each way in which it may be wider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract.stack_name import PLATFORM_APP
from infra.ci.deploy_role import WORKFLOWS, trust_policy
from infra.config.platform import GithubConfig
from previews.doctor import aws
from previews.doctor.expected import Expected, Source, StagingFile
from tests.previews.doctor.conftest import ISSUER, trust

SOURCE = Source(repository="acme/orders", repository_id="4217", subject_prefix="repo:acme/orders")
EXPECTED = Expected(PLATFORM_APP, {}, StagingFile(github=SOURCE))


def problems(kind: str, policy: Any) -> list[str]:
    return [problem.why for problem in aws.trust(EXPECTED, kind, SOURCE, policy)]


@pytest.mark.parametrize("kind", WORKFLOWS)
def test_what_the_program_declares_is_what_is_expected(kind: str) -> None:
    import json

    config = GithubConfig(
        repository="acme/orders", repository_id="4217", subject_prefix="repo:acme/orders"
    )
    provider = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"
    assert problems(kind, json.loads(trust_policy(config, kind, provider))) == []


def _equals(policy: dict[str, Any]) -> dict[str, Any]:
    equals: dict[str, Any] = policy["Statement"][0]["Condition"]["StringEquals"]
    return equals


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda policy: _equals(policy).update({f"{ISSUER}:{name}": value})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda p: p["Statement"].append(trust("staging")["Statement"][0]), "2 statements"),
        (lambda p: p.update(Statement=[]), "0 statements"),
        (lambda p: p["Statement"][0].update(Action="sts:*"), "another action"),
        (
            lambda p: p["Statement"][0].update(
                Action=["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"]
            ),
            "another action",
        ),
        (lambda p: p["Statement"][0].update(Effect="Deny"), "another action"),
        (lambda p: p["Statement"][0].update(Principal="*"), "another principal"),
        (lambda p: p["Statement"][0]["Principal"].update(AWS="1"), "another principal"),
        (
            lambda p: p["Statement"][0]["Principal"].update(
                Federated="arn:aws:iam::123456789012:oidc-provider/example.com"
            ),
            "another principal",
        ),
        (lambda p: p["Statement"][0].update(NotAction="x"), "it has NotAction"),
        (lambda p: p["Statement"][0].pop("Condition"), "conditions are none"),
        (
            lambda p: p["Statement"][0]["Condition"].update(StringLike={}),
            "StringEquals, StringLike",
        ),
        (_set("sub", "repo:acme/orders:*"), "sub is repo:acme/orders:*"),
        (
            _set("sub", ["repo:acme/orders:environment:preview", "repo:eve/x:environment:preview"]),
            "sub is repo:acme/orders:environment:preview, repo:eve/x",
        ),
        (_set("repository_id", "1"), "repository_id is 1"),
        (_set("ref", ["refs/heads/main", "refs/heads/next"]), "refs/heads/next"),
        (lambda p: _equals(p).pop(f"{ISSUER}:ref"), "ref is not compared"),
        (lambda p: _equals(p)[f"{ISSUER}:job_workflow_ref"].append("x"), ", x"),
        (lambda p: _equals(p)[f"{ISSUER}:job_workflow_ref"].pop(), "job_workflow_ref is"),
        (_set("actor", "eve"), "actor is eve"),
        (_set("aud", "sts.eve.com"), "aud is sts.eve.com"),
    ],
)
def test_a_wider_trust_is_named(change: Callable[[dict[str, Any]], Any], why: str) -> None:
    policy = trust("preview")
    change(policy)
    found = problems("preview", policy)
    assert len(found) == 1
    assert why in found[0]
    assert found[0].startswith("previews-deploy-preview: ")


def test_a_trust_of_github_s_answer_in_another_order_is_the_same() -> None:
    policy = trust("preview")
    _equals(policy)[f"{ISSUER}:job_workflow_ref"].reverse()
    assert problems("preview", policy) == []


def test_a_role_that_is_missing_is_named() -> None:
    assert problems("staging", None) == ["there is no role previews-deploy-staging"]
