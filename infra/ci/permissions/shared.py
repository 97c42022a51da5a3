"""Rows that both roles have."""

from __future__ import annotations

from infra.ci.permissions.grant import Grant
from infra.ci.permissions.sign_in import BYPASS_ARN

NEVER = (
    Grant(
        "data leaves the account by none of these",
        (
            "rds:CopyDBClusterSnapshot",
            "rds:CopyDBSnapshot",
            "rds:ModifyDBClusterSnapshotAttribute",
            "rds:ModifyDBSnapshotAttribute",
            "rds:StartExportTask",
        ),
        effect="Deny",
    ),
    Grant(
        "passwords are read in the cluster alone",
        ("secretsmanager:BatchGetSecretValue",),
        effect="Deny",
    ),
    Grant(
        "and the same one by one; what lets tests in is no password",
        ("secretsmanager:GetSecretValue",),
        when={"StringNotLike": {"secretsmanager:SecretId": BYPASS_ARN}},
        effect="Deny",
    ),
    Grant(
        "nobody is made more powerful by passing a role, taking one, or lifting a boundary",
        (
            "iam:AttachRolePolicy",
            "iam:CreatePolicyVersion",
            "iam:DeleteRolePermissionsBoundary",
            "iam:PassRole",
            "iam:PutRolePermissionsBoundary",
            "sts:AssumeRole",
        ),
        effect="Deny",
    ),
)

IMAGES = (
    Grant("a login to the registry; it knows no resource", ("ecr:GetAuthorizationToken",)),
    Grant(
        "push and find images; tags are immutable, so nobody's image is overwritten",
        (
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:DescribeImages",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:ListImages",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ),
        ("{arn}:ecr:{here}:repository/{repository}",),
    ),
)

CLUSTER = Grant(
    "find the Kubernetes API, whose own rights are given by an access entry",
    ("eks:DescribeCluster",),
    ("{arn}:eks:{here}:cluster/{cluster}",),
)


STATE_KEY = Grant(
    "read and write the secrets in the state",
    ("kms:Decrypt", "kms:Encrypt"),
    ("{arn}:kms:{here}:key/*",),
    when={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "{state_key}"}},
)


def state_grants(*stacks: str) -> tuple[Grant, ...]:
    """What the bucket of Pulumi's state asks for.

    Args:
        stacks: Which stacks' state may be written; any may be read, since previews read
            staging's outputs.
    """
    return (
        Grant("find a stack", ("s3:ListBucket",), ("{arn}:s3:::{bucket}",)),
        Grant("read it", ("s3:GetObject",), ("{arn}:s3:::{bucket}/.pulumi/*",)),
        Grant(
            "write it, lock it and keep its history",
            ("s3:DeleteObject", "s3:PutObject"),
            tuple(
                f"{{arn}}:s3:::{{bucket}}/.pulumi/{folder}/{names}"
                for names in stacks
                for folder in (
                    "backups/previews",
                    "history/previews",
                    "locks/organization/previews",
                    "stacks/previews",
                )
            ),
        ),
    )
