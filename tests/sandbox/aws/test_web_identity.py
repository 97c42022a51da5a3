from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from joserfc import jwt
from joserfc.jwk import RSAKey

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.cluster.layout import Layout
from sandbox.settings import OIDC_ISSUER
from tests.sandbox.aws.conftest import Aws

pytestmark = pytest.mark.sandbox

HOST = OIDC_ISSUER.removeprefix("https://")
SUBJECT = "system:serviceaccount:pr-42:external-secrets"


@pytest.fixture(scope="module")
def role(aws: Aws) -> str:
    """A role as the program makes it: one service account, one secret."""
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name="rds!db-42", SecretString="of pr-42")["ARN"]
    secrets.create_secret(Name="rds!db-43", SecretString="of pr-43")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": "sts.amazonaws.com"}
                },
            }
        ],
    }
    iam = aws.client("iam")
    made = iam.create_role(RoleName="pr-42-secrets", AssumeRolePolicyDocument=json.dumps(trust))
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                "Resource": arn,
            }
        ],
    }
    iam.put_role_policy(
        RoleName="pr-42-secrets", PolicyName="read", PolicyDocument=json.dumps(policy)
    )
    return str(made["Role"]["Arn"])


def token(aws: Aws, key: RSAKey | None = None, **claims: Any) -> str:
    """As the API server issues them."""
    signer = key or RSAKey.import_key(Layout(aws.settings).service_account_key.read_bytes())
    body = {
        "iss": OIDC_ISSUER,
        "sub": SUBJECT,
        "aud": ["sts.amazonaws.com"],
        "exp": int(time.time()) + 600,
        **claims,
    }
    return jwt.encode({"alg": "RS256"}, body, signer)


def assume(aws: Aws, role: str, web_token: str) -> dict[str, str]:
    sts = boto3.client(
        "sts",
        endpoint_url=aws.settings.aws_endpoint,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )
    answer = sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="external-secrets", WebIdentityToken=web_token
    )
    return dict(answer["Credentials"])


def client_as(aws: Aws, credentials: dict[str, str], service: str) -> Any:
    """Return a client of AWS with the credentials of a session."""
    return boto3.client(
        service,
        endpoint_url=aws.settings.aws_endpoint,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def secrets_as(aws: Aws, credentials: dict[str, str]) -> Any:
    return client_as(aws, credentials, "secretsmanager")


def test_the_service_account_reads_its_own_secret_and_no_other(aws: Aws, role: str) -> None:
    secrets = secrets_as(aws, assume(aws, role, token(aws)))

    assert secrets.get_secret_value(SecretId="rds!db-42")["SecretString"] == "of pr-42"
    with pytest.raises(ClientError, match=r"AccessDeniedException.*GetSecretValue.*db-43"):
        secrets.get_secret_value(SecretId="rds!db-43")
    with pytest.raises(ClientError, match="PutSecretValue"):
        secrets.put_secret_value(SecretId="rds!db-42", SecretString="mine")
    with pytest.raises(ClientError, match="ListSecrets"):
        secrets.list_secrets()


def test_a_session_that_sts_never_gave_is_unknown(aws: Aws, role: str) -> None:
    made_up = {
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "x",
        "SessionToken": "x",
    }
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        secrets_as(aws, made_up).get_secret_value(SecretId="rds!db-42")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"sub": "system:serviceaccount:pr-43:external-secrets"}, "AccessDenied"),
        ({"aud": ["https://kubernetes.default.svc"]}, "AccessDenied"),
        ({"iss": "https://elsewhere.example"}, "InvalidIdentityToken"),
        ({"exp": 1_000_000_000}, "ExpiredTokenException"),
    ],
)
def test_another_identity_may_not_take_the_role(
    aws: Aws, role: str, claims: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        assume(aws, role, token(aws, **claims))

    assert refused.value.response["Error"]["Code"] == code


def test_a_token_that_the_cluster_did_not_sign_is_refused(aws: Aws, role: str) -> None:
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        assume(aws, role, token(aws, RSAKey.generate_key(2048)))
    with pytest.raises(ClientError, match="InvalidIdentityToken"):
        assume(aws, role, "no.token.atall")


def test_a_role_that_is_not_there_cannot_be_taken(aws: Aws, role: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(aws, role.replace("pr-42", "pr-44"), token(aws))
