"""CI's permissions in AWS: the one table from which its policies are made.

The role of previews may change what is named or tagged ``pr-*``; the role of staging updates what
a person has created, and creates nothing but servers ``data-*`` for databases of previews. Another
app's two roles have the same rows for its own names, ``orders-pr-*`` and ``orders-data-*``, and
none for the platform. Each grant has its reason. AWS's Service Authorization Reference defines the
resources and conditions that an action supports; a test compares every grant with it, since a
condition that an action does not support grants nothing.
"""

from __future__ import annotations

from contract.bounds import BOUNDS
from contract.stack_name import PLATFORM_APP, AppName, StackKind, StackName
from infra.ci.permissions.boundaries import data_boundary, preview_boundary
from infra.ci.permissions.buckets import own_buckets, stagings_bucket
from infra.ci.permissions.grant import Grant
from infra.ci.permissions.leftovers import leftovers
from infra.ci.permissions.restoring import own_instance, own_roles, restored_instance
from infra.ci.permissions.shared import CLUSTER, DATABASE_IMAGE, IMAGES, NEVER

STAGING = "staging"

_PREVIEW: tuple[Grant, ...] = (
    *NEVER,
    *IMAGES,
    Grant(
        "a preview's image is deleted with it; ECR has no condition on a tag, so this alone reaches"
        " beyond pr-*, and staging's images are kept by name in `previews`",
        ("ecr:BatchDeleteImage", "ecr:ListImages"),
        ("{arn}:ecr:{here}:repository/{repository}",),
    ),
    CLUSTER,
    Grant(
        "look before acting; these actions support no resource, and show no data",
        (
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTargetGroups",
        ),
    ),
    Grant(
        "find snapshots and instances, and the account's quota of them",
        (
            "rds:DescribeAccountAttributes",
            "rds:DescribeDBInstances",
            "rds:DescribeDBSnapshots",
        ),
    ),
)

_PLATFORM: tuple[Grant, ...] = (
    *NEVER,
    *IMAGES,
    DATABASE_IMAGE,
    CLUSTER,
    Grant(
        "compare what exists with what is declared, without secrets' values",
        (
            "acm:DescribeCertificate",
            "acm:ListTagsForCertificate",
            "budgets:ListTagsForResource",
            "budgets:ViewBudget",
            # None of a client, which would show its secret.
            "cognito-idp:DescribeUserPool",
            "cognito-idp:DescribeUserPoolDomain",
            "cognito-idp:GetUserPoolMfaConfig",
            "ec2:Describe*",
            "ecr:DescribeRepositories",
            "ecr:GetLifecyclePolicy",
            "ecr:ListTagsForResource",
            "eks:Describe*",
            "eks:List*",
            "iam:Get*",
            "iam:List*",
            "kms:DescribeKey",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "kms:ListAliases",
            "kms:ListResourceTags",
            "logs:DescribeLogGroups",
            "logs:ListTagsForResource",
            "rds:Describe*",
            "rds:ListTagsForResource",
            "route53:GetHostedZone",
            "route53:ListResourceRecordSets",
        ),
    ),
    Grant(
        "each resource is tagged with its commit",
        (
            "acm:AddTagsToCertificate",
            "ec2:CreateTags",
            "ecr:TagResource",
            "eks:TagResource",
            "iam:TagOpenIDConnectProvider",
            "iam:TagPolicy",
            "iam:TagRole",
            "kms:TagResource",
            "logs:TagResource",
            "rds:AddTagsToResource",
        ),
        when={
            "StringEquals": {"aws:ResourceTag/stack": STAGING},
            "StringEqualsIfExists": {"aws:RequestTag/stack": STAGING},
        },
    ),
)


def preview_grants(app: AppName, *, restores: bool = True) -> tuple[Grant, ...]:
    """Return the permissions of an app's role of the environment ``preview``.

    Args:
        app: The app.
        restores: False where its previews have databases in mode ``branch`` alone.
    """
    stacks = app.glob(StackKind.PREVIEW)
    restoring = restored_instance(stacks, staging=_staging(app), bounds=BOUNDS[StackKind.PREVIEW])
    return (
        *_PREVIEW,
        *(restoring if restores else ()),
        *own_instance(stacks),
        *own_roles(stacks, boundary="{boundary}", ends=("app", "app-secrets", "secrets")),
        *own_buckets(app),
        *leftovers(stacks),
    )


def staging_grants(app: AppName) -> tuple[Grant, ...]:
    """Return the permissions of an app's role of the environment ``staging``."""
    data = app.glob(StackKind.DATA)
    platform_or_app = _PLATFORM if app.is_platform else _app_staging(_staging(app))
    return (
        *platform_or_app,
        *stagings_bucket(StackName.parse(STAGING, app)),
        Grant(
            "staging's database grows with Pulumi.staging.yaml",
            ("rds:ModifyDBInstance",),
            (f"{{arn}}:rds:{{here}}:db:{_staging(app)}",),
            {"BoolIfExists": {"rds:ManageMasterUserPassword": "true"}},
        ),
        # `previews refresh`: what holds unscrubbed data for a while is none of the preview role's.
        *restored_instance(data, staging=_staging(app), bounds=BOUNDS[StackKind.DATA]),
        *own_instance(data),
        *own_roles(data, boundary="{data_boundary}", ends=("secrets",)),
    )


def _staging(app: AppName) -> str:
    return StackName.parse(STAGING, app).name


def _app_staging(staging: str) -> tuple[Grant, ...]:
    """Return the rows of another app's staging, which holds nothing of the platform."""
    tagged = {"aws:ResourceTag/stack": staging}
    return (
        *NEVER,
        *IMAGES,
        CLUSTER,
        Grant(
            "look before acting; these actions support no resource, and show no data",
            (
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "kms:ListAliases",
                "rds:DescribeDBInstances",
                "rds:DescribeDBSnapshots",
                "rds:DescribeDBSubnetGroups",
            ),
        ),
        Grant(
            "compare the app's repository with what is declared",
            ("ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource"),
            ("{arn}:ecr:{here}:repository/{repository}",),
        ),
        Grant(
            "the same with the tags of its database, and of that one's subnets",
            ("rds:ListTagsForResource",),
            (
                f"{{arn}}:rds:{{here}}:db:{staging}",
                f"{{arn}}:rds:{{here}}:subgrp:{staging}-database",
            ),
        ),
        Grant(
            "the same with its key",
            (
                "kms:DescribeKey",
                "kms:GetKeyPolicy",
                "kms:GetKeyRotationStatus",
                "kms:ListResourceTags",
            ),
            ("{arn}:kms:{here}:key/*",),
            {"StringEquals": tagged},
        ),
        Grant(
            "the same with the roles that read its secrets, and that of its pods",
            (
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
            ),
            (
                f"{{arn}}:iam::{{account}}:role/{staging}-app",
                f"{{arn}}:iam::{{account}}:role/{staging}-app-secrets",
                f"{{arn}}:iam::{{account}}:role/{staging}-secrets",
            ),
        ),
        Grant(
            "each resource is tagged with its commit",
            (
                "ec2:CreateTags",
                "ecr:TagResource",
                "iam:TagRole",
                "kms:TagResource",
                "rds:AddTagsToResource",
            ),
            when={
                "StringEquals": tagged,
                "StringEqualsIfExists": {"aws:RequestTag/stack": staging},
            },
        ),
    )


PREVIEW = preview_grants(PLATFORM_APP)
"""Permissions of the platform's role of the environment ``preview``."""

STAGING_DEPLOYMENT = staging_grants(PLATFORM_APP)
"""Permissions of the platform's role of the environment ``staging``."""

BOUNDARY = preview_boundary(PLATFORM_APP)
"""Permissions boundary of the roles that previews of the platform's own app create."""

DATA_BOUNDARY = data_boundary(PLATFORM_APP)
"""The same of its shared servers' roles."""
