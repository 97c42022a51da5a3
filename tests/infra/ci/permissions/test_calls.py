"""CI's roles fit what is called with them: no call lacks a grant, and no grant a call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import get_session

from contract.stack_name import PLATFORM_APP, AppName, StackName
from infra.ci.permissions.grant import Grant, policy
from infra.ci.permissions.shared import STATE_KEY, sign_in_grants, state_grants
from infra.ci.permissions.table import preview_grants, staging_grants
from infra.stacks import main
from sandbox.aws.client import PROVIDER
from sandbox.providers.aws.rds_instance import INSTANCE
from sandbox.providers.aws.resources import RESOURCES
from tests.infra.app.test_described_app import described
from tests.infra.app.test_sign_in import ACCESS, BYPASS
from tests.infra.ci.permissions.calls import CALLS, OWN, POOL, TYPES, attempts, of_types, place
from tests.infra.ci.permissions.simulator import Attempt, decide_each
from tests.infra.ci.permissions.test_permissions import YES
from tests.infra.ci.test_deploy_role import GITHUB
from tests.infra.stacks.test_app_staging import APP_STAGING, BRANCHES
from tests.infra.world import CREATED_CLUSTER, PREVIEW_CONFIG, STAGING_CONFIG, Cloud, deploy
from tests.previews.aws_calls import PERSONS, actions, unrecorded

PREVIEWS = Path(__file__).resolve().parents[4] / "previews"
NEEDS = """
service:
  environment:
    BUCKET: "{bucket}"
secrets:
  STRIPE_KEY: { name: stripe, property: key }
database:
  migrate: migrate
needs:
  bucket:
"""
PREVIEW, DATA, STAGING = "pr-42", "data-8", "staging"
ANOTHER = AppName("orders")


def grants(app: AppName) -> dict[str, tuple[Grant, ...]]:
    """The rows of an app's two roles."""
    shared = (*sign_in_grants(POOL), STATE_KEY)
    previews = state_grants("pr-*", project=app.project)
    staging = state_grants("staging*", "data-*", project=app.project)
    return {
        f"{app.prefix}preview": (*preview_grants(app), *shared, *previews),
        f"{app.prefix}staging": (*staging_grants(app), *shared, *staging),
    }


GRANTS = {**grants(PLATFORM_APP), **grants(ANOTHER)}
PLACES = {name: place(app) for app in (PLATFORM_APP, ANOTHER) for name in grants(app)}


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The types of AWS, and its functions, that stacks of each name declare and call."""
    access = ACCESS | {"bypassSecretArn": BYPASS}
    full: dict[str, Any] = {
        "access": access,
        "branches": {"enabled": True},
        "budget": {"monthlyUsd": 300, "emails": ["platform@example.com"]},
        "dns": {"zoneId": "Z0123456789ABCDEFGHIJ"},
        "github": GITHUB,
        # EKS Auto Mode's own is refused together with a bypass of the sign-in.
        "loadBalancer": {"controller": "aws-load-balancer-controller"},
    }
    created = deploy("staging", main, config=STAGING_CONFIG | CREATED_CLUSTER | full)
    existing = deploy("staging", main, config=STAGING_CONFIG)
    needing = described(existing, tmp_path_factory.mktemp("app"), NEEDS)
    signed_in = PREVIEW_CONFIG | {"access": {"signIn": "cognito"}}
    own = {key: value for key, value in PREVIEW_CONFIG.items() if key != "expires"}
    another = APP_STAGING | BRANCHES
    clouds = [Cloud(staging=created.outputs) for _ in range(3)]
    stacks = {
        STAGING: [created, existing],
        PREVIEW: [needing, deploy(PREVIEW, main, config=signed_in, cloud=clouds[0])],
        DATA: [deploy(DATA, main, config=own, cloud=clouds[1])],
        f"{ANOTHER}-{STAGING}": [
            deploy(STAGING, main, config=another, cloud=clouds[2], project=ANOTHER.project)
        ],
    }
    return {
        stack_name: {
            name
            for stack in made
            for name in (
                *(resource.type for resource in stack.registrations),
                *(function for function, _ in stack.cloud.calls),
            )
            if name.startswith(("aws:", "docker-build:index", "eks:"))
        }
        for stack_name, made in stacks.items()
    }


@pytest.fixture(scope="module")
def made(declared: dict[str, set[str]]) -> dict[str, list[Attempt]]:
    """Every recorded call, with what it is about, by the role that makes it."""
    return {**_made(PLATFORM_APP, declared), **_made(ANOTHER, declared)}


def _made(app: AppName, declared: dict[str, set[str]]) -> dict[str, list[Attempt]]:
    """The calls that are made with an app's roles; all previews and servers declare the same."""
    both = [*CALLS["workflows"]["both"], *CALLS["state"]["read"], *CALLS["state"]["write"]]
    preview = [*CALLS["previews"]["preview"], *both, *of_types(declared[PREVIEW], OWN)]
    data = of_types(declared[DATA], OWN)
    of_bucket = {name for name in TYPES if name.startswith("aws:s3/")}
    own = StackName.parse(STAGING, app)
    staging = [
        *CALLS["previews"]["staging"],
        *both,
        *of_types(declared[own.name] | of_bucket, ("read", "tag", "grow")),
        *of_types({"aws:cognito/userPoolClient:UserPoolClient"}, OWN),
    ]
    return {
        f"{app.prefix}preview": [*attempts(preview, StackName.parse(PREVIEW, app))],
        f"{app.prefix}staging": [
            *attempts(staging, own),
            *attempts(data, StackName.parse(DATA, app)),
        ],
    }


def test_what_the_provider_calls_is_recorded_of_every_type_that_is_declared(
    declared: dict[str, set[str]],
) -> None:
    assert {name for names in declared.values() for name in names} == set(TYPES)
    assert [name for name, calls in TYPES.items() if not calls["source"]] == []


@pytest.mark.parametrize("name", GRANTS)
def test_a_role_may_make_each_call_that_is_made_with_it(
    made: dict[str, list[Attempt]], name: str
) -> None:
    # A call that is about no resource needs a grant for all.
    wide = [grant for grant in GRANTS[name] if grant.on == ("*",)]
    policies = {
        flag: policy(of, PLACES[name]) for flag, of in ((True, wide), (False, GRANTS[name]))
    }
    answers = decide_each([(each, policies[each.resource == "*"]) for each in made[name]])
    refused = [str(a) for a, answer in zip(made[name], answers, strict=True) if answer != YES]
    assert refused == []


@pytest.mark.parametrize("name", GRANTS)
def test_a_call_is_made_by_each_grant_or_it_says_why_not(
    made: dict[str, list[Attempt]], name: str
) -> None:
    allowed = [grant for grant in GRANTS[name] if grant.effect == "Allow"]
    tried = [
        (grant, action, attempt)
        for grant in allowed
        for action in grant.actions
        for attempt in made[name]
        if fnmatchcase(attempt.action, action)
    ]
    answers = decide_each([(attempt, policy([grant], PLACES[name])) for grant, _, attempt in tried])
    used = {
        (grant.why, action)
        for (grant, action, _), answer in zip(tried, answers, strict=True)
        if answer == YES
    }
    unused = [
        f"{action}: {grant.why}"
        for grant in allowed
        if not grant.unrecorded
        for action in grant.actions
        if (grant.why, action) not in used
    ]
    assert unused == []


@pytest.mark.parametrize("name", GRANTS)
def test_what_says_why_it_has_no_call_has_none(made: dict[str, list[Attempt]], name: str) -> None:
    calls = {attempt.action for attempt in made[name]}
    for grant in GRANTS[name]:
        if grant.unrecorded:
            silent = [a for a in grant.actions if not any(fnmatchcase(c, a) for c in calls)]
            assert silent, f"each action is called: {grant.why}"


def test_what_the_emulated_provider_may_call_is_recorded() -> None:
    emulated = {**RESOURCES, "aws:rds/instance:Instance": INSTANCE}
    assert set(emulated) <= set(TYPES)
    lines = [
        f"{PROVIDER} {resource.api.service}:{operations(resource.api.service)[operation]}"
        for resource in emulated.values()
        for operation in (
            resource.create_call,
            *(request.operation for request in (*resource.read_calls, *resource.updates)),
            resource.delete_call.operation,
        )
    ]
    assert len(lines) > len(emulated)
    assert unrecorded(lines) == []


def test_a_call_that_is_not_recorded_is_found() -> None:
    lines = ["previews rds:DescribeDBInstances", "previews rds:RebootDBInstance"]
    assert unrecorded(lines) == [lines[1]]
    lines = ["provider kms:CreateKey", "provider kms:PutKeyPolicy", "provider elbv2:CreateRule"]
    assert unrecorded(lines) == lines[1:]


@cache
def operations(service: str) -> dict[str, str]:
    """The operations of a service, and its waiters', by boto3's names."""
    model = get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def named(tree: ast.AST) -> Iterator[str]:
    """Every attribute and every text of a module, of which some name an operation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def services(tree: ast.AST) -> Iterator[str]:
    """The services that a module makes a client of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            for argument in node.args:
                if node.func.attr == "client" and isinstance(argument, ast.Constant):
                    yield str(argument.value)


def test_the_recorded_calls_of_previews_are_those_of_its_source() -> None:
    found: set[str] = set()
    for file in sorted(PREVIEWS.rglob("*.py")):
        module = ".".join(file.relative_to(PREVIEWS.parent).with_suffix("").parts)
        if module.startswith(PERSONS):
            continue
        tree = ast.parse(file.read_text())
        words = set(named(tree))
        for service in set(services(tree)):
            for word, operation in operations(service).items():
                if word in words:
                    found |= actions(service, operation)
    state = {*CALLS["state"]["read"], *CALLS["state"]["write"]}
    recorded = {*CALLS["previews"]["preview"], *CALLS["previews"]["staging"]}
    assert found - state == recorded - state
    assert recorded >= {"rds:DescribeDBSnapshots", "s3:ListBucket"}
