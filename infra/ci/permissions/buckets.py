"""Rows for the buckets that apps keep files in."""

from __future__ import annotations

from contract.stack_name import AppName, StackKind, StackName
from infra.ci.permissions.grant import Grant

# What the AWS provider reads at each refresh of a bucket, whatever the program declares of it.
_LOOKS = (
    "s3:GetAccelerateConfiguration",
    "s3:GetBucket*",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListTagsForResource",
)


def own_buckets(app: AppName) -> tuple[Grant, ...]:
    """Return the grants for buckets of an app's previews, none of which reads an object."""
    bucket = _arn(app.bucket_glob(StackKind.PREVIEW, "{account}"))
    becomes = {"aws:RequestTag/stack": app.glob(StackKind.PREVIEW)}
    return (
        Grant(
            "find buckets by name; the action supports no resource, and shows no data",
            ("s3:ListAllMyBuckets",),
        ),
        Grant(
            "a bucket that is tagged with its stack from the start",
            ("s3:CreateBucket",),
            (bucket,),
            {"StringLike": becomes},
        ),
        Grant(
            "its tags; commit and expiry change with every push, the stack does not",
            ("s3:TagResource", "s3:UntagResource"),
            (bucket,),
            {"StringLikeIfExists": becomes},
        ),
        Grant("compare it with what is declared", _LOOKS, (bucket,)),
        Grant(
            "closed to the public, to other accounts, and to connections without TLS",
            (
                "s3:DeleteBucketPolicy",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
            ),
            (bucket,),
        ),
        Grant(
            "empty it and delete it",
            (
                "s3:DeleteBucket",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:ListBucketVersions",
            ),
            (bucket, f"{bucket}/*"),
        ),
    )


def stagings_bucket(staging: StackName) -> tuple[Grant, ...]:
    """Return the grants for the bucket of an app's staging, which a person makes and removes."""
    bucket = _arn(staging.bucket("{account}"))
    return (
        Grant("compare staging's bucket with what is declared", _LOOKS, (bucket,)),
        Grant(
            "it is tagged with its commit",
            ("s3:TagResource",),
            (bucket,),
            {"StringEqualsIfExists": {"aws:RequestTag/stack": staging.name}},
        ),
    )


def _arn(bucket: str) -> str:
    return f"{{arn}}:s3:::{bucket}"
