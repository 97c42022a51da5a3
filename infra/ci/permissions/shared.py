"""Rows that both roles have."""

from __future__ import annotations

from contract.stack_name import PLATFORM_PROJECT
from infra.ci.permissions.grant import Grant

BYPASS = "previews-bypass-"
"""Prefix of the names of bypass secrets; CI reads no other secret."""

BYPASS_ARN = f"{{arn}}:secretsmanager:{{here}}:secret:{BYPASS}*"


def sign_in_grants(user_pool_arn: str) -> tuple[Grant, ...]:
    """Return the grants for a stack's client of the user pool.

    Cognito has no resource below the pool, so IAM can't keep stacks from each other's clients; the
    stack's own load balancer rules decide which requests a client admits.

    Args:
        user_pool_arn: ARN of the user pool.
    """
    return (
        Grant(
            "a stack's own client of the user pool",
            (
                "cognito-idp:CreateUserPoolClient",
                "cognito-idp:DeleteUserPoolClient",
                "cognito-idp:DescribeUserPoolClient",
                "cognito-idp:UpdateUserPoolClient",
            ),
            (user_pool_arn,),
        ),
        Grant(
            "the token that lets tests in, which becomes a rule of the load balancer",
            ("secretsmanager:GetSecretValue",),
            (BYPASS_ARN,),
        ),
    )


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
        "and the same one by one; the bypass secret is no password",
        ("secretsmanager:GetSecretValue",),
        when={"StringNotLike": {"secretsmanager:SecretId": BYPASS_ARN}},
        effect="Deny",
    ),
    Grant(
        "no escalation by passing a role, assuming one, or removing a boundary",
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

_PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)

IMAGES = (
    Grant(
        "a login to the registry; the action supports no resource", ("ecr:GetAuthorizationToken",)
    ),
    Grant(
        "push images; tags are immutable, so nobody's image is overwritten",
        _PUSH,
        ("{arn}:ecr:{here}:repository/{repository}",),
    ),
)

DATABASE_IMAGE = Grant(
    "push the image that prepares databases; no role of previews may, since it gets master"
    " passwords",
    _PUSH,
    ("{arn}:ecr:{here}:repository/{database_repository}",),
)

CLUSTER = Grant(
    "find the Kubernetes API, whose permissions come from an access entry",
    ("eks:DescribeCluster",),
    ("{arn}:eks:{here}:cluster/{cluster}",),
)


STATE_KEY = Grant(
    "read and write the secrets in the state",
    ("kms:Decrypt", "kms:Encrypt"),
    ("{arn}:kms:{here}:key/*",),
    when={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "{state_key}"}},
)


def state_grants(*stacks: str, project: str = PLATFORM_PROJECT) -> tuple[Grant, ...]:
    """Return the grants for the bucket of Pulumi's state.

    A role reaches the state of its own stacks alone. What staging publishes for previews is in the
    cluster, and the names of all stacks are those of the bucket's files.

    Args:
        stacks: Wildcards of the role's stacks.
        project: Project of the stacks.
    """
    own = tuple(
        f"{{arn}}:s3:::{{bucket}}/.pulumi/{folder}/{names}"
        for names in stacks
        for folder in (
            f"backups/{project}",
            f"history/{project}",
            f"locks/organization/{project}",
            f"stacks/{project}",
        )
    )
    return (
        Grant("find a stack", ("s3:ListBucket",), ("{arn}:s3:::{bucket}",)),
        Grant("read it", ("s3:GetObject",), ("{arn}:s3:::{bucket}/.pulumi/meta.yaml", *own)),
        Grant("write it, lock it and keep its history", ("s3:DeleteObject", "s3:PutObject"), own),
    )
