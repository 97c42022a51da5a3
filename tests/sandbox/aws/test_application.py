from __future__ import annotations

import io
from typing import Any

import pytest

from sandbox.aws.catalogue import without_instance_types

with without_instance_types():
    from sandbox.aws.application import changes_state


def request(body: bytes = b"", *, method: str = "POST", **headers: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **headers,
    }


def query(text: str) -> dict[str, Any]:
    return request(text.encode(), CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8")


def json_target(target: str) -> dict[str, Any]:
    return request(b"{}", HTTP_X_AMZ_TARGET=target)


@pytest.mark.parametrize(
    ("environ", "changes"),
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
        (request(method="GET"), False),
        (request(method="POST"), True),
        (request(method="DELETE"), True),
    ],
)
def test_whether_it_may_change_the_account(environ: dict[str, Any], changes: bool) -> None:
    assert changes_state(environ) is changes


def test_the_body_can_be_read_again() -> None:
    environ = query("Version=2014-10-31&Action=CreateDBInstance")
    assert changes_state(environ)
    assert environ["wsgi.input"].read() == b"Version=2014-10-31&Action=CreateDBInstance"


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_document_counts_by_its_method(body: bytes) -> None:
    assert changes_state(request(body))
