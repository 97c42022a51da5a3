"""How passwords get to the pods, and who may read them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.database.role_passwords import password_spec
from tests.infra.world import Deployment

EXTERNAL_SECRET = "kubernetes:external-secrets.io/v1:ExternalSecret"


def test_the_role_is_for_one_service_account_of_one_namespace(preview: Deployment) -> None:
    role = preview.one("aws:iam/role:Role")
    assert role.inputs["name"] == "pr-42-secrets"
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    assert json.loads(role.inputs["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"},
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": "system:serviceaccount:pr-42:external-secrets",
                }
            },
        }
    ]
    reader = preview.one("kubernetes:core/v1:ServiceAccount", "reader").inputs["metadata"]
    assert reader["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/pr-42-secrets"
    }


def test_the_role_may_read_one_secret(preview: Deployment) -> None:
    policy = json.loads(preview.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    assert policy["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": "arn:aws:secretsmanager:::secret:rds!db-pr-42",
        }
    ]


def test_the_store_reads_as_that_account(preview: Deployment) -> None:
    store = preview.one("kubernetes:external-secrets.io/v1:SecretStore").inputs["spec"]
    assert store == {
        "provider": {
            "aws": {
                "service": "SecretsManager",
                "region": "eu-west-1",
                "auth": {"jwt": {"serviceAccountRef": {"name": "external-secrets"}}},
            }
        }
    }


def test_the_master_login_is_that_of_rds(preview: Deployment) -> None:
    spec = preview.one(EXTERNAL_SECRET, "database-master").inputs["spec"]
    arn = "arn:aws:secretsmanager:::secret:rds!db-pr-42"
    assert spec["data"] == [
        {"secretKey": "username", "remoteRef": {"key": arn, "property": "username"}},
        {"secretKey": "password", "remoteRef": {"key": arn, "property": "password"}},
    ]
    assert spec["secretStoreRef"] == {"kind": "SecretStore", "name": "aws"}


@pytest.mark.parametrize(
    ("secret", "user"),
    [("database-app", "service_app"), ("database-migrator", "service_migrator")],
)
def test_the_other_passwords_are_made_once_in_the_cluster(
    preview: Deployment, secret: str, user: str
) -> None:
    spec = preview.one(EXTERNAL_SECRET, secret).inputs["spec"]
    assert spec == password_spec(secret, user)
    assert spec["refreshPolicy"] == "CreatedOnce"
    assert spec["target"]["immutable"] is True
    assert spec["target"]["template"]["data"] == {
        "username": user,
        "password": "{{ .password }}",
    }
    generator = preview.one("kubernetes:generators.external-secrets.io/v1alpha1:Password")
    assert spec["dataFrom"][0]["sourceRef"]["generatorRef"] == {
        "apiVersion": generator.inputs["apiVersion"],
        "kind": generator.inputs["kind"],
        "name": generator.inputs["metadata"]["name"],
    }


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("kubernetes:external-secrets.io/v1:SecretStore", "store"),
        (EXTERNAL_SECRET, "database-master"),
        (EXTERNAL_SECRET, "database-migrator"),
        (EXTERNAL_SECRET, "database-app"),
    ],
)
def test_pulumi_waits_until_each_is_ready(preview: Deployment, type_: str, name: str) -> None:
    annotations: dict[str, Any] = preview.one(type_, name).inputs["metadata"]["annotations"]
    assert annotations == {
        "pulumi.com/waitFor": "condition=Ready",
        "pulumi.com/timeoutSeconds": "180",
    }
