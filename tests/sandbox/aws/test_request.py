from __future__ import annotations

import io
from typing import Any

import pytest

from sandbox.aws.request import AwsRequest

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261122/us-east-1/secretsmanager/aws4_request,"
    " SignedHeaders=host, Signature=abc"
)


def request(
    body: bytes = b"", *, method: str = "POST", path: str = "/", **headers: str
) -> AwsRequest:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **headers,
    }
    read = AwsRequest.read(environ)
    assert environ["wsgi.input"].read() == body
    return read


def query(text: str) -> AwsRequest:
    return request(text.encode(), CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8")


def json_target(target: str) -> AwsRequest:
    return request(b"{}", HTTP_X_AMZ_TARGET=target)


@pytest.mark.parametrize(
    ("made", "changes"),
    [
        (query("Action=DescribeDBInstances&Version=2014-10-31"), False),
        (query("Action=CreateDBInstance&Version=2014-10-31"), True),
        (query("Action=AddTagsToResource"), True),
        (query("Action=GetCallerIdentity"), False),
        (query("Action=AssumeRoleWithWebIdentity"), True),
        (query("Action=GetSessionToken"), True),
        (json_target("secretsmanager.GetSecretValue"), False),
        (json_target("secretsmanager.PutSecretValue"), True),
        (json_target("AmazonEC2ContainerRegistry_V20150921.BatchGetImage"), False),
        (json_target("AmazonEC2ContainerRegistry_V20150921.BatchDeleteImage"), True),
        (json_target("AmazonEC2ContainerRegistry_V20150921.PutImage"), True),
        (request(method="GET", path="/clusters/sandbox"), False),
        (request(method="POST", path="/clusters"), True),
        (request(method="DELETE", path="/clusters/sandbox"), True),
    ],
)
def test_whether_it_may_change_the_account(made: AwsRequest, changes: bool) -> None:
    assert made.changes_state is changes


def test_who_signed_it_and_for_what() -> None:
    made = request(HTTP_AUTHORIZATION=AUTHORIZATION)

    assert made.access_key == "ASIAEXAMPLE"
    assert made.service == "secretsmanager"


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_document_is_an_empty_one(body: bytes) -> None:
    assert request(body).document == {}
    assert request(body).access_key is None
    assert request(body).action is None
