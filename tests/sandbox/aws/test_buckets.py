"""Buckets of apps: who may use one, and that their objects survive a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox.aws.identity import ACCOUNT
from sandbox.settings import OIDC_ISSUER
from tests.sandbox.aws.conftest import Aws
from tests.sandbox.aws.test_web_identity import assume, client_as, token

pytestmark = pytest.mark.sandbox

HOST = OIDC_ISSUER.removeprefix("https://")
BUCKETS = ("pr-42-123456789012", "pr-43-123456789012")
OVER_TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::pr-42-123456789012", "arn:aws:s3:::pr-42-123456789012/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def credentials(aws: Aws) -> dict[str, str]:
    """Those of a role as the program makes it: one service account, one bucket."""
    s3, iam = aws.client("s3"), aws.client("iam")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=BUCKETS[1], Key="theirs", Body=b"of pr-43")
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{HOST}:sub": "system:serviceaccount:pr-42:service",
                f"{HOST}:aud": "sts.amazonaws.com",
            }
        },
    }
    role = iam.create_role(RoleName="pr-42-app", AssumeRolePolicyDocument=document(trust))["Role"][
        "Arn"
    ]
    arn = f"arn:aws:s3:::{BUCKETS[0]}"
    allowed: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": f"{arn}/*",
        },
    ]
    iam.put_role_policy(
        RoleName="pr-42-app",
        PolicyName="bucket",
        PolicyDocument=document(*allowed),
    )
    return assume(aws, role, token(aws, sub="system:serviceaccount:pr-42:service"))


@pytest.fixture
def app(aws: Aws, credentials: dict[str, str]) -> Any:
    """A client as an app has it."""
    return client_as(aws, credentials, "s3")


def test_an_app_uses_its_own_bucket_and_no_other(aws: Aws, app: Any) -> None:
    own, other = BUCKETS
    app.put_object(Bucket=own, Key="a/b", Body=b"mine")
    app.head_bucket(Bucket=own)
    app.head_object(Bucket=own, Key="a/b")

    assert app.get_object(Bucket=own, Key="a/b")["Body"].read() == b"mine"
    assert [one["Key"] for one in app.list_objects_v2(Bucket=own)["Contents"]] == ["a/b"]
    refused: tuple[Callable[[], object], ...] = (
        lambda: app.get_object(Bucket=other, Key="theirs"),
        lambda: app.put_object(Bucket=other, Key="x", Body=b""),
        lambda: app.delete_object(Bucket=other, Key="theirs"),
        lambda: app.list_objects_v2(Bucket=other),
        app.list_buckets,
        lambda: app.delete_bucket(Bucket=own),
        lambda: app.put_bucket_policy(Bucket=own, Policy="{}"),
    )
    for call in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    many = app.delete_objects(Bucket=own, Delete={"Objects": [{"Key": "a/b"}]})
    assert [one["Key"] for one in many["Deleted"]] == ["a/b"]
    assert aws.client("s3").list_objects_v2(Bucket=other)["KeyCount"] == 1


def test_a_presigned_url_is_its_callers(app: Any) -> None:
    own, other = BUCKETS
    app.put_object(Bucket=own, Key="shared", Body=b"for a browser")

    def url(bucket: str, key: str) -> str:
        return str(app.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}))

    assert httpx.get(url(own, "shared")).content == b"for a browser"
    assert httpx.get(url(other, "theirs")).status_code == httpx.codes.FORBIDDEN


def test_a_buckets_policy_denies_what_it_says_and_nothing_else(aws: Aws, app: Any) -> None:
    own, s3 = BUCKETS[0], aws.client("s3")
    app.put_object(Bucket=own, Key="kept", Body=b"x")

    s3.put_bucket_policy(Bucket=own, Policy=document(OVER_TLS))
    assert app.get_object(Bucket=own, Key="kept")["Body"].read() == b"x"
    always = {key: value for key, value in OVER_TLS.items() if key != "Condition"}
    s3.put_bucket_policy(Bucket=own, Policy=document(always))
    with pytest.raises(ClientError, match="AccessDenied"):
        app.get_object(Bucket=own, Key="kept")
    s3.delete_bucket_policy(Bucket=own)


def test_objects_survive_a_restart_whatever_they_contain(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="pr-44-123456789012")
    s3.put_object(Bucket="pr-44-123456789012", Key="form", Body=b"a=b&Action=DescribeInstances")
    upload = httpx.put(
        f"{aws.settings.aws_endpoint}/pr-44-123456789012/streamed",
        content=iter([b"one ", b"after another"]),
        headers={
            "Authorization": "AWS4-HMAC-SHA256 Credential=sandbox/x/us-east-1/s3/aws4_request"
        },
    )
    assert upload.is_success, upload.text

    aws.kill()
    aws.start()

    def content(key: str) -> bytes:
        return bytes(s3.get_object(Bucket="pr-44-123456789012", Key=key)["Body"].read())

    assert content("form") == b"a=b&Action=DescribeInstances"
    assert content("streamed") == b"one after another"
