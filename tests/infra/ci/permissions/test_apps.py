"""Two apps on one platform: no role of one may act on a name of the other, or of the platform."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.stack_name import PLATFORM_APP, AppName, StackKind, StackName
from infra.ci.permissions.boundaries import data_boundary, preview_boundary
from infra.ci.permissions.grant import policy
from infra.ci.permissions.shared import STATE_KEY, sign_in_grants, state_grants
from infra.ci.permissions.table import preview_grants, staging_grants
from tests.infra.ci.permissions.calls import place
from tests.infra.ci.permissions.simulator import ACCOUNT, Attempt, decide, unknown
from tests.infra.ci.permissions.test_permissions import (
    HERE,
    KEPT,
    OF_DATABASE,
    OF_THE_CLUSTER,
    PLACE,
    PRIVATE,
    REGION,
    STACK_OF_ROLE,
    YES,
    db,
    role,
    secret,
    snapshot,
)

ORDERS, ORDERS_EU, BILLING = AppName("orders"), AppName("orders-eu"), AppName("billing")
APPS = (PLATFORM_APP, ORDERS, ORDERS_EU, BILLING)


def policies(app: AppName) -> dict[str, str]:
    """The policies of an app's roles, as the program makes them."""
    own, project = place(app), app.project
    previews = state_grants("pr-*", project=project)
    staging = state_grants("staging*", "data-*", project=project)
    return {
        "preview": policy((*preview_grants(app), STATE_KEY, *previews), own),
        "staging": policy((*staging_grants(app), STATE_KEY, *staging), own),
        "boundary": policy(preview_boundary(app), own),
        "data-boundary": policy(data_boundary(app), own),
    }


def attempts(app: AppName) -> Iterator[Attempt]:
    """What only an app's own roles may do: on its names, with its tags, under its boundary."""
    names = [StackName.parse(stack, app) for stack in ("pr-42", "data-8", "staging")]
    repository = f"arn:aws:ecr:{HERE}:repository/{app.project}"
    for name in names:
        tag = {"aws:RequestTag/stack": name.name}
        owned = {"aws:ResourceTag/stack": name.name}
        group = f"arn:aws:ec2:{HERE}:security-group/sg-0123456789abcdef0"
        kind = "data" if name.kind is StackKind.DATA else "preview"
        bound = {
            "iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/{app.project}-{kind}-secrets"
        }
        yield Attempt("rds:RestoreDBInstanceFromDBSnapshot", db(name.name), {**PRIVATE, **tag})
        yield Attempt("rds:ModifyDBInstance", db(name.name), KEPT)
        yield Attempt("rds:DeleteDBInstance", db(name.name), {})
        yield Attempt("rds:AddTagsToResource", db(name.name), {**owned, **tag})
        yield Attempt("ec2:DeleteSecurityGroup", group, owned)
        yield Attempt("ec2:AuthorizeSecurityGroupIngress", group, owned)
        yield Attempt("ec2:CreateTags", group, {**owned, **tag})
        yield Attempt("iam:CreateRole", role(name.secrets_role), {**bound, **tag})
        yield Attempt("iam:PutRolePolicy", role(name.secrets_role), bound)
        yield Attempt("iam:UpdateAssumeRolePolicy", role(name.secrets_role), bound)
        yield Attempt("iam:DeleteRole", role(name.secrets_role), {})
        pods = {**OF_THE_CLUSTER, STACK_OF_ROLE: name.name}
        tagged_secret = {**pods, OF_DATABASE: db(name.name)}
        yield Attempt("iam:TagRole", role(name.secrets_role), tag)
        yield Attempt("iam:DetachRolePolicy", role(name.app_role), {})
        yield Attempt("secretsmanager:GetSecretValue", secret("rds!db-1-AbCdEf"), tagged_secret)
        bucket = f"arn:aws:s3:::{name.bucket(ACCOUNT)}"
        yield Attempt("s3:CreateBucket", bucket, tag)
        yield Attempt("s3:TagResource", bucket, tag)
        for action in ("GetBucketPolicy", "PutBucketPolicy", "ListBucket", "DeleteBucket"):
            yield Attempt(f"s3:{action}", bucket, {})
        for action in ("GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion"):
            yield Attempt(f"s3:{action}", f"{bucket}/a", pods)
        yield Attempt("iam:CreateRole", role(name.app_role), {**bound, **tag})
        yield Attempt("iam:PutRolePolicy", role(name.app_role), bound)
        yield Attempt("iam:DeleteRole", role(name.app_role), {})
        for folder in ("stacks", "history", "backups", "locks/organization"):
            state = f"arn:aws:s3:::acme-state/.pulumi/{folder}/{app.project}/{name.value}"
            yield Attempt("s3:PutObject", f"{state}.json", {})
            yield Attempt("s3:DeleteObject", f"{state}.json", {})
    yield Attempt(
        "rds:RestoreDBInstanceFromDBSnapshot",
        snapshot(f"rds:{names[2].name}-2029-12-30-03-05"),
        {**PRIVATE, "aws:RequestTag/stack": "any"},
    )
    yield Attempt(
        "rds:RestoreDBInstanceFromDBSnapshot",
        f"arn:aws:rds:{HERE}:subgrp:{names[2].database_subnet_group}",
        {**PRIVATE, "aws:RequestTag/stack": "any"},
    )
    for action in ("ecr:PutImage", "ecr:BatchDeleteImage", "ecr:BatchGetImage"):
        yield Attempt(action, repository, {})
    # The platform's own roles may read every state, as before; another app's only its own.
    if not app.is_platform:
        yield Attempt(
            "s3:GetObject", f"arn:aws:s3:::acme-state/.pulumi/stacks/{app.project}/pr-1", {}
        )


@pytest.mark.parametrize("which", ["preview", "staging", "boundary", "data-boundary"])
@pytest.mark.parametrize("app", [ORDERS, ORDERS_EU, PLATFORM_APP], ids=str)
def test_a_role_is_denied_on_every_name_of_another_app(app: AppName, which: str) -> None:
    others = [attempt for other in APPS if other != app for attempt in attempts(other)]
    if app.is_platform:
        others = [attempt for attempt in others if "/.pulumi/" not in attempt.resource]
    decided = decide(others, policies(app)[which])
    allowed = [str(a) for a, answer in zip(others, decided, strict=True) if answer == YES]
    assert allowed == []


@pytest.mark.parametrize("app", APPS, ids=str)
def test_between_them_an_apps_roles_may_do_all_of_it_on_its_own(app: AppName) -> None:
    own = list(attempts(app))
    answers = [decide(own, text) for text in policies(app).values()]
    possible = {str(a) for i, a in enumerate(own) if any(each[i] == YES for each in answers)}
    staging = StackName.parse("staging", app).name
    lacking = {str(a) for a in own} - possible
    # A person makes staging, and deletes it. A shared server has no bucket, and no pods of an app.
    data = StackName.parse("data-8", app)
    absent = (staging, "sg-", "rds!db", data.bucket(ACCOUNT), data.app_role)
    assert all(any(one in each for one in absent) for each in lacking), lacking


@pytest.mark.parametrize("which", ["preview", "staging", "boundary", "data-boundary"])
def test_every_action_of_an_app_exists_and_knows_its_conditions(which: str) -> None:
    assert unknown(policies(ORDERS)[which]) == []


@pytest.mark.parametrize(
    ("which", "most"),
    [("preview", 10240), ("staging", 10240), ("boundary", 6144), ("data-boundary", 6144)],
)
def test_the_longest_name_of_an_app_fits_into_the_policies(which: str, most: int) -> None:
    pool = f"arn:aws:cognito-idp:{HERE}:userpool/{REGION}_0123456789"
    # A role's limit is of all its policies together.
    beside = "" if "boundary" in which else policy(sign_in_grants(pool), PLACE)
    text = policies(AppName("x" * 32))[which] + beside
    assert len("".join(text.split())) <= most
