"""The role that executes an unreviewed program reads, and neither writes nor opens a secret."""

from __future__ import annotations

import pytest

from infra.ci.permissions.grant import Grant, policy
from infra.ci.permissions.infra_changes import PLAN, STATE_READ, STATE_READ_KEY
from tests.infra.ci.permissions.simulator import Attempt, Context, decide, unknown
from tests.infra.ci.permissions.test_permissions import (
    BUCKET,
    HERE,
    IMAGES,
    KEY,
    NEVER,
    NO,
    PLACE,
    STATE,
    YES,
    db,
    role,
    secret,
    snapshot,
)

POLICY = policy((*PLAN, STATE_READ_KEY, *STATE_READ), PLACE)
OF_THE_STATE = {"kms:ResourceAliases": ["alias/acme-state"]}
OF_SECRETS = {"kms:ResourceAliases": ["alias/previews"]}

ATTEMPTS: list[tuple[str, str, Context, str]] = [
    ("eks:DescribeCluster", f"arn:aws:eks:{HERE}:cluster/lab", {}, YES),
    ("rds:DescribeDBSnapshots", snapshot("rds:staging-2026"), {}, YES),
    ("s3:ListBucket", "arn:aws:s3:::acme-state", {}, YES),
    ("s3:GetObject", f"{STATE}/meta.yaml", {}, YES),
    ("s3:GetObject", f"{STATE}/stacks/previews/pr-42.json", {}, YES),
    ("kms:Decrypt", KEY, OF_THE_STATE, YES),
    # It takes no lock and leaves no state, of its own preview or another stack.
    ("s3:PutObject", f"{STATE}/stacks/previews/pr-42.json", {}, NO),
    ("s3:PutObject", f"{STATE}/locks/organization/previews/pr-42/1.json", {}, NO),
    ("s3:DeleteObject", f"{STATE}/stacks/previews/pr-42.json", {}, NO),
    ("kms:Encrypt", KEY, OF_THE_STATE, NO),
    ("kms:Decrypt", KEY, OF_SECRETS, NO),
    ("s3:GetObject", f"{STATE}/stacks/previews/data-8.json", {}, NO),
    ("s3:GetObject", f"{STATE}/stacks/previews/staging.json", {}, NO),
    ("s3:GetObject", f"{STATE}/stacks/orders/pr-42.json", {}, NO),
    ("s3:GetObject", f"{BUCKET}/uploads/1", {}, NO),
    ("secretsmanager:GetSecretValue", secret("rds!db-1"), {}, NEVER),
    ("secretsmanager:GetSecretValue", secret("previews-bypass-1"), {}, NEVER),
    ("secretsmanager:BatchGetSecretValue", "*", {}, NEVER),
    ("sts:AssumeRole", role("pr-42-app"), {}, NEVER),
    ("iam:PassRole", role("pr-42-app"), {}, NEVER),
    ("iam:CreateRole", role("pr-42-app"), {}, NO),
    ("rds:RestoreDBInstanceFromDBSnapshot", db("pr-42"), {}, NO),
    ("rds:ModifyDBInstance", db("pr-42"), {}, NO),
    ("rds:DeleteDBInstance", db("pr-42"), {}, NO),
    ("ecr:GetAuthorizationToken", "*", {}, NO),
    ("ecr:PutImage", IMAGES, {}, NO),
    ("ecr:BatchDeleteImage", IMAGES, {}, NO),
]


def test_the_planner_reads_and_nothing_else() -> None:
    tries = [Attempt(action, resource, context) for action, resource, context, _ in ATTEMPTS]
    found = decide(tries, POLICY)
    assert [(a, r, answer) for (a, r, _, _), answer in zip(ATTEMPTS, found, strict=True)] == [
        (action, resource, expected) for action, resource, _, expected in ATTEMPTS
    ]


def test_aws_knows_each_action_and_condition_of_it() -> None:
    assert unknown(POLICY) == []


@pytest.mark.parametrize("grant", [*PLAN, STATE_READ_KEY, *STATE_READ], ids=lambda g: g.why)
def test_no_grant_of_it_changes_anything(grant: Grant) -> None:
    reads = ("Decrypt", "Describe", "GetObject", "ListBucket")
    named = [action.partition(":")[2] for action in grant.actions]
    assert grant.effect == "Deny" or all(action.startswith(reads) for action in named)
