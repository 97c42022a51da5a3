"""People sign in before they get to a preview; health and tests need not."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from contract.app.read import read_app
from infra.app.sign_in import checked_token
from infra.ci.roles import sign_in_policy
from infra.errors import ProgramError
from infra.policies.catalogue import violations
from infra.stacks import main
from tests.infra.ci.permissions.simulator import Attempt, decide, unknown
from tests.infra.ci.permissions.test_permissions import POLICIES
from tests.infra.ci.test_deploy_role import GITHUB
from tests.infra.policies.resources import changed, declared, one
from tests.infra.world import (
    CREATED_CLUSTER,
    PREVIEW_CONFIG,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    deploy,
)

ROOT = Path(__file__).resolve().parents[3]
ALB = "alb.ingress.kubernetes.io"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
POOL = "aws:cognito/userPool:UserPool"
SERVICE = "kubernetes:core/v1:Service"
BYPASS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:previews-bypass-tests-AbCdEf"
SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"
# The one controller that is known to support the bypass.
OPEN_SOURCE = {"loadBalancer": {"controller": "aws-load-balancer-controller"}}
ACCESS: dict[str, Any] = {"signIn": "cognito", "userPoolDomain": "acme-previews"}


# It is half a second to a second of work, and no test changes it.
@cache
def staging(**access: str) -> Deployment:
    config = STAGING_CONFIG | OPEN_SOURCE | {"access": ACCESS | access}
    return deploy("staging", main, config=config)


def preview(platform: Deployment, *, token: str = "t" * 40) -> Deployment:
    config = PREVIEW_CONFIG | {"access": {"signIn": "cognito"}}
    cloud = Cloud(staging=platform.outputs, token=token)
    return deploy("pr-42", main, config=config, cloud=cloud)


def said_by_ingress(stack: Deployment) -> dict[str, str]:
    return dict(stack.one(INGRESS).inputs["metadata"]["annotations"])


def paths(stack: Deployment) -> list[tuple[str, str, str]]:
    (rule,) = stack.one(INGRESS).inputs["spec"]["rules"]
    return [
        (p["path"], p["pathType"], p["backend"]["service"]["name"]) for p in rule["http"]["paths"]
    ]


def test_nobody_can_sign_up_by_themselves() -> None:
    pool = staging().one(POOL).inputs
    assert pool["adminCreateUserConfig"] == {"allowAdminCreateUserOnly": True}
    assert pool["deletionProtection"] == "ACTIVE"


def test_a_pool_that_is_there_is_used() -> None:
    arn = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Own"
    stack = staging(userPoolArn=arn)
    assert not [r for r in stack.registrations if r.type == POOL]
    assert stack.one(CLIENT).inputs["userPoolId"] == "eu-west-1_Own"


def test_each_stack_has_a_client_for_its_own_host_alone() -> None:
    platform = staging()
    for stack, host in (
        (platform, "staging.preview.example.com"),
        (preview(platform), "pr-42.preview.example.com"),
    ):
        client = stack.one(CLIENT).inputs
        assert client["callbackUrls"] == [f"https://{host}/oauth2/idpresponse"]
        assert client["userPoolId"] == "eu-west-1_Abc"
        assert client["allowedOauthFlows"] == ["code"]
        assert client["name"] == f"{host.partition('.')[0]}-sign-in"


def test_whoever_has_not_signed_in_is_sent_to_do_so() -> None:
    said = said_by_ingress(preview(staging()))
    assert said[f"{ALB}/auth-type"] == "cognito"
    assert said[f"{ALB}/auth-on-unauthenticated-request"] == "authenticate"
    assert json.loads(said[f"{ALB}/auth-idp-cognito"]) == {
        "userPoolARN": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Abc",
        "userPoolClientID": "client-id",
        "userPoolDomain": "acme-previews",
    }


def test_health_is_open_and_everything_else_is_not() -> None:
    assert paths(preview(staging())) == [
        ("/health/live", "Exact", "health"),
        ("/health/ready", "Exact", "health"),
        ("/", "Prefix", "service"),
    ]


@pytest.mark.parametrize(
    ("text", "key", "path"),
    [
        ("service: {health: /}", "service.health", "/"),
        ("service: {health: {live: /live, ready: /}}", "service.health.ready", "/"),
        ("service: {path: /api, health: /api}", "service.health", "/api"),
        ("service: {path: /api, health: {live: /api/, ready: /r}}", "service.health.live", "/api/"),
        (
            "service: {path: /api, health: /site}\nweb: {a: {path: /site, image: {}}}",
            "service.health",
            "/site",
        ),
        (
            "service: {path: /api, health: /site}\nweb: {a: {path: /site/, image: {}}}",
            "service.health",
            "/site",
        ),
    ],
)
def test_a_start_page_is_not_opened_as_a_health_check(
    tmp_path: Path, text: str, key: str, path: str
) -> None:
    (tmp_path / "preview.yaml").write_text(text)
    config = PREVIEW_CONFIG | {"source": str(tmp_path)}
    cloud = Cloud(staging=staging().outputs)
    with pytest.raises(ProgramError) as caught:
        deploy("pr-42", main, config=config | {"access": {"signIn": "cognito"}}, cloud=cloud)
    assert caught.value.what == f"preview.yaml, {key}"
    assert caught.value.why.startswith(f"it is {path}, ")
    # Where nobody signs in it opens nothing.
    assert deploy("pr-42", main, config=config, cloud=cloud).one(INGRESS)


def test_a_further_web_service_may_have_its_start_page_checked(tmp_path: Path) -> None:
    """Its health check is the load balancer's alone: no path is opened for it."""
    text = "service: {path: /api}\nweb: {a: {path: /, health: /, image: {}}}"
    (tmp_path / "preview.yaml").write_text(text)
    config = PREVIEW_CONFIG | {"source": str(tmp_path), "access": {"signIn": "cognito"}}
    found = deploy("pr-42", main, config=config, cloud=Cloud(staging=staging().outputs))
    assert [path for path, kind, _ in paths(found) if kind == "Exact"] == ["/health"]


def test_the_open_paths_are_the_service_s_own() -> None:
    described = json.loads((ROOT / "openapi.json").read_text())["paths"]
    health = read_app(ROOT).service.health
    probes = {path for path in described if path.startswith("/health/")}
    assert probes == {health.live, health.ready}


def test_tests_come_in_by_a_header() -> None:
    stack = preview(staging(bypassSecretArn=BYPASS))
    assert ("/*", "ImplementationSpecific", "bypass-service") in paths(stack)
    # All of the metadata is marked as a secret, since a part of it is one.
    said = stack.one(INGRESS).inputs["metadata"]["value"]["annotations"]
    assert json.loads(said[f"{ALB}/conditions.bypass-service"]) == [
        {
            "field": "http-header",
            "httpHeaderConfig": {"httpHeaderName": "x-preview-bypass", "values": ["t" * 40]},
        }
    ]
    assert ("aws:secretsmanager/getSecretVersion:getSecretVersion", {"secretId": BYPASS}) in (
        stack.cloud.calls
    )


def test_what_lets_tests_in_is_a_secret_in_the_state() -> None:
    said = json.dumps(preview(staging(bypassSecretArn=BYPASS)).one(INGRESS).inputs)
    assert SECRET_MARK in said
    assert SECRET_MARK not in json.dumps(preview(staging()).one(INGRESS).inputs)


@pytest.mark.parametrize("value", ["", "short", "x" * 129, "t" * 39 + "*", "t" * 39 + "?"])
def test_a_token_that_could_be_guessed_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ProgramError, match="its value is no token") as caught:
        checked_token(BYPASS, value)
    assert not value or value not in str(caught.value).replace(BYPASS, "")
    assert "put-secret-value" in caught.value.remedy


def test_only_the_two_open_services_need_no_signing_in() -> None:
    stack = preview(staging())
    said = {
        r.name: r.inputs["metadata"]["annotations"].get(f"{ALB}/auth-type")
        for r in stack.registrations
        if r.type == SERVICE
    }
    assert said == {"service": None, "health": "none", "bypass-service": "none"}
    selectors = [r.inputs["spec"]["selector"] for r in stack.registrations if r.type == SERVICE]
    assert selectors[0] == selectors[1] == selectors[2]


def test_a_preview_that_wants_it_of_a_staging_without_is_told(
    new_staging: Deployment,
) -> None:
    with pytest.raises(ProgramError, match="staging has no user pool"):
        preview(new_staging)


def test_no_policy_forbids_signing_in() -> None:
    assert violations(declared(preview(staging()))) == []


@pytest.mark.parametrize(
    ("field", "allowed"), [("http-header", True), ("host-header", False), ("path-pattern", False)]
)
def test_a_condition_may_narrow_a_rule_and_never_widen_it(field: str, *, allowed: bool) -> None:
    ingress = one(preview(staging()), INGRESS)
    path = ["metadata", "annotations", f"{ALB}/conditions.bypass-service"]
    found = violations([changed(ingress, path, json.dumps([{"field": field}]))])
    broken = [v.rule for v in found if v.rule.startswith("ingress-")]
    assert broken == ([] if allowed else ["ingress-own-host"])


def test_ci_may_make_clients_and_read_the_token_where_people_sign_in() -> None:
    config = STAGING_CONFIG | CREATED_CLUSTER | {"access": ACCESS, "github": GITHUB}
    stack = deploy("staging", main, config=config)
    for environment in ("preview", "staging"):
        inputs = stack.one("aws:iam/rolePolicy:RolePolicy", f"sign-in-{environment}").inputs
        assert inputs["role"] == f"previews-deploy-{environment}"
        assert unknown(inputs["policy"]) == []
        [statement] = json.loads(inputs["policy"])["Statement"]
        assert statement["Resource"] == [
            "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Abc",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:previews-bypass-*",
        ]


def test_ci_may_do_neither_where_nobody_signs_in() -> None:
    config = STAGING_CONFIG | CREATED_CLUSTER | {"github": GITHUB}
    stack = deploy("staging", main, config=config)
    assert not [r for r in stack.registrations if r.name.startswith("sign-in-")]


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("previews-bypass-tests-AbCdEf", "Allowed"),
        ("rds!db-1-AbCdEf", "ExplicitlyDenied"),
        ("staging-previews-bypass-AbCdEf", "ExplicitlyDenied"),
    ],
)
def test_ci_reads_that_secret_and_no_other(secret: str, expected: str) -> None:
    pool = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Abc"
    both = [*json.loads(POLICIES["preview"])["Statement"]]
    both += json.loads(sign_in_policy(pool))["Statement"]
    arn = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{secret}"
    attempt = Attempt("secretsmanager:GetSecretValue", arn, {"secretsmanager:SecretId": arn})
    document = json.dumps({"Version": "2012-10-17", "Statement": both})
    assert decide([attempt], document) == [expected]


@pytest.mark.parametrize(
    ("config", "auto_mode"),
    [
        (CREATED_CLUSTER, False),
        ({"loadBalancer": {"controller": "eks-auto-mode"}}, False),
        ({}, True),
    ],
)
def test_auto_mode_may_ignore_the_condition_of_the_bypass_so_it_is_refused(
    config: dict[str, Any], *, auto_mode: bool
) -> None:
    access = {"access": ACCESS | {"bypassSecretArn": BYPASS}}
    cloud = Cloud(auto_mode=auto_mode)
    with pytest.raises(ProgramError) as caught:
        deploy("staging", main, config=STAGING_CONFIG | config | access, cloud=cloud)
    assert caught.value.what == "config previews:access.bypassSecretArn"
    assert "everybody would get past the sign-in" in caught.value.why
    assert "PREVIEWS_SMOKE=cluster" in caught.value.remedy
