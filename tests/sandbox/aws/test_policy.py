from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sandbox.aws.policy import Attempt, is_allowed, is_denied

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-42-AbCdEf"
READ = Attempt("secretsmanager:GetSecretValue", SECRET)


def allowed(*statements: dict[str, Any], attempt: Attempt = READ) -> bool:
    return is_allowed([json.dumps({"Statement": list(statements)})], attempt)


def allow(**changes: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": SECRET,
        **changes,
    }


@pytest.mark.parametrize(
    "statement",
    [
        allow(),
        allow(Action=["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]),
        allow(Action="secretsmanager:get*"),
        allow(Action="*", Resource="*"),
        allow(Resource=f"{SECRET[:-6]}??????"),
        allow(Condition={"StringNotEquals": {"aws:PrincipalTag/x": "y"}}),
        {"Effect": "Allow", "NotAction": ["kms:*", "s3:*"], "Resource": SECRET},
        {"Effect": "Allow", "Action": "*", "NotResource": [SECRET[:-1], SECRET + "x"]},
    ],
)
def test_what_is_allowed(statement: dict[str, Any]) -> None:
    assert allowed(statement)


@pytest.mark.parametrize(
    "statement",
    [
        allow(Resource=SECRET.replace("42", "43")),
        allow(Action="secretsmanager:PutSecretValue"),
        allow(Resource=SECRET[:-1] + "[f]"),
        allow(Effect="Deny"),
        allow(NotAction="secretsmanager:GetSecretValue", Action=None),
        allow(NotResource=SECRET, Resource=None),
        allow(Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
        allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        {"Effect": "Allow", "Action": "*"},
        {"Effect": "Allow", "Resource": "*"},
        allow(Resource=SECRET.upper()),
        allow(NotAction=["kms:*", "SecretsManager:*"], Action=None),
        allow(NotResource=["x", SECRET], Resource=None),
        # A policy of a resource, not of an identity.
        allow(Principal="*"),
    ],
)
def test_what_is_not(statement: dict[str, Any]) -> None:
    assert not allowed(statement)


def test_a_denial_wins() -> None:
    assert not allowed(allow(Resource="*"), allow(Effect="Deny"))
    documents = [json.dumps({"Statement": [each]}) for each in (allow(), allow(Effect="Deny"))]
    assert not is_allowed(documents, READ)
    assert allowed(allow(), allow(Effect="Deny", Resource=f"{SECRET}2"))


def test_nothing_is_allowed_by_nothing() -> None:
    assert not is_allowed([], READ)
    assert not is_allowed(["{}"], READ)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"a": "1", "b": "2"}}, True),
        ({"StringEquals": {"a": ["0", "1"]}}, True),
        ({"StringEquals": {"a": "1", "b": "3"}}, False),
        ({"StringEquals": {"a": "1"}, "StringLike": {"b": ["x", "?"]}}, True),
        ({"StringEquals": {"a": "1"}, "StringLike": {"b": "x*"}}, False),
        ({"StringEquals": {"c": "1"}}, False),
        ({"StringLike": {"c": "*"}}, False),
        ({"StringNotEquals": {"a": ["2", "3"]}}, True),
        ({"StringNotEquals": {"a": ["2", "1"]}}, False),
        ({"StringEquals": {"a": "1"}, "NumericEquals": {"b": "2"}}, False),
        ({"Bool": {"secure": "true"}}, True),
        ({"Bool": {"secure": False}}, False),
        ({"Bool": {"c": "true"}}, False),
    ],
)
def test_every_condition_has_to_hold(condition: dict[str, Any], expected: bool) -> None:
    context = {"a": "1", "b": "2", "secure": "true"}
    attempt = Attempt(READ.action, READ.resource, context=context)
    assert allowed(allow(Condition=condition), attempt=attempt) is expected


def test_a_denial_whose_condition_is_not_understood_counts() -> None:
    unknown = {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}
    assert not allowed(allow(), allow(Effect="Deny", Condition=unknown))


def test_one_statement_needs_no_list() -> None:
    assert is_allowed([json.dumps({"Statement": allow()})], READ)


PROVIDER = "arn:aws:iam::123456789012:oidc-provider/issuer"
TAKE = Attempt(
    "sts:AssumeRoleWithWebIdentity",
    federated=PROVIDER,
    context={"issuer:sub": "system:serviceaccount:pr-42:external-secrets"},
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"Condition": {"StringLike": {"issuer:sub": "system:serviceaccount:pr-42:*"}}}, True),
        ({"Principal": {"Federated": [f"{PROVIDER}2", PROVIDER]}}, True),
        ({"Principal": {"Federated": f"{PROVIDER}2"}}, False),
        ({"Resource": "*"}, False),
        ({"NotResource": "x"}, False),
        ({"Principal": "*"}, False),
        ({"Principal": {"AWS": "*"}}, False),
        ({"Action": "sts:AssumeRole"}, False),
        ({"Condition": {"StringEquals": {"issuer:sub": "system:serviceaccount:pr-43:x"}}}, False),
        ({"Condition": {"StringEquals": {"issuer:aud": "sts.amazonaws.com"}}}, False),
    ],
)
def test_trust(changes: dict[str, Any], expected: bool) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {"issuer:sub": "system:serviceaccount:pr-42:external-secrets"}
        },
        **changes,
    }
    assert allowed(trust, attempt=TAKE) is expected


@pytest.mark.parametrize(
    ("principal", "effect", "expected"),
    [
        ("*", "Deny", True),
        ({"AWS": "*"}, "Deny", True),
        ({"AWS": ["arn:aws:iam::123456789012:role/pr-42-app"]}, "Deny", True),
        ({"AWS": "arn:aws:iam::123456789012:role/pr-43-app"}, "Deny", False),
        ({"Service": "s3.amazonaws.com"}, "Deny", False),
        ("*", "Allow", False),
    ],
)
def test_a_resources_policy_denies_the_callers_that_it_names(
    principal: Any, effect: str, expected: bool
) -> None:
    statement = allow(Principal=principal, Effect=effect)
    attempt = replace(READ, caller="arn:aws:iam::123456789012:role/pr-42-app")
    assert is_denied([json.dumps({"Statement": [statement]})], attempt) is expected
