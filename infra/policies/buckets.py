"""Buckets: closed to the public, whatever somebody writes into their policy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from infra.policies.declared import Declared, Properties, each, get
from infra.policies.rule import Rule, StackRule

BUCKET = "aws:s3/bucket:Bucket"
BUCKET_ACL = "aws:s3/bucketAcl:BucketAcl"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
PUBLIC_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"

_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def blocks_public_access(block: Declared) -> Iterator[str]:
    """Require all four blocks."""
    for key in _BLOCKS:
        if block.get(key) is not True:
            yield f"{key} is not true"


def without_acl(bucket: Declared) -> Iterator[str]:
    """Reject access-control lists, by which objects become public one by one."""
    if bucket.type == BUCKET_ACL:
        yield "access-control lists are not used: the bucket's owner owns all objects"
    elif bucket.type == OWNERSHIP:
        if bucket.get("rule", "objectOwnership") != "BucketOwnerEnforced":
            yield "rule.objectOwnership is not BucketOwnerEnforced"
    elif bucket.get("acl") is not None or bucket.get("grants"):
        yield "it has an access-control list"


def allows_nobody(policy: Declared) -> Iterator[str]:
    """Reject a bucket's policy that allows anything: roles have policies of their own."""
    document = policy.get("policy")
    parsed: object = json.loads(document) if isinstance(document, str) else document
    statements = get(parsed, "Statement")
    found = (
        [cast("Properties", statements)]
        if isinstance(statements, Mapping)
        else each(parsed, "Statement")
    )
    if any(statement.get("Effect") != "Deny" for statement in found):
        yield "it allows something: expected denials alone"


def guarded(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    """Require that public access to each bucket is blocked."""
    closed = {str(r.get("bucket")) for r in resources if r.type == PUBLIC_ACCESS}
    for resource in resources:
        if resource.type == BUCKET and str(resource.get("bucket")) not in closed:
            yield resource, "public access to it is not blocked"


RULES = (
    Rule(
        "bucket-blocks-public-access",
        "Nothing can make a bucket or an object in it public.",
        blocks_public_access,
        frozenset({PUBLIC_ACCESS}),
    ),
    Rule(
        "bucket-without-acl",
        "No bucket has an access-control list.",
        without_acl,
        frozenset({BUCKET, BUCKET_ACL, OWNERSHIP}),
    ),
    Rule(
        "bucket-policy-denies",
        "The policy of a bucket allows nobody anything.",
        allows_nobody,
        frozenset({BUCKET_POLICY}),
    ),
)
STACK_RULES = (
    StackRule(
        "bucket-guarded",
        "Public access to each bucket is blocked.",
        guarded,
        frozenset({BUCKET, PUBLIC_ACCESS}),
    ),
)
