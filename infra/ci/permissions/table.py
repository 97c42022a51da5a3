"""CI's permissions in AWS: the one table from which its policies are made.

The role of previews may change what is named or tagged ``pr-*``; the role of staging updates what
a person has created, and creates nothing but servers ``data-*`` for databases of previews. Another
app's two roles have the same rows for its own names, ``orders-pr-*`` and ``orders-data-*``, and
none for the platform. Each grant has its reason. AWS's Service Authorization Reference defines the
resources and conditions that an action supports; a test compares every grant with it, since a
condition that an action does not support grants nothing.
"""

from __future__ import annotations

from contract.stack_name import PLATFORM_APP, AppName, StackKind, StackName
from infra.ci.permissions.buckets import own_buckets, stagings_bucket, used_by_pods
from infra.ci.permissions.grant import Grant
from infra.ci.permissions.restoring import own_instance
from infra.ci.permissions.shared import CLUSTER, DATABASE_IMAGE, IMAGES, NEVER

_INSTANCE_TAG = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"

STAGING = "staging"

_PREVIEW: tuple[Grant, ...] = (
    *NEVER,
    *IMAGES,
    Grant(
        "a preview's image is deleted with it; ECR has no condition on a tag, so this alone reaches"
        " beyond pr-*, and staging's images are kept by name in `previews`",
        ("ecr:BatchDeleteImage",),
        ("{arn}:ecr:{here}:repository/{repository}",),
    ),
    CLUSTER,
    Grant(
        "look before acting; these actions support no resource, and show no data",
        (
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTargetGroups",
            "tag:GetResources",
        ),
    ),
    Grant(
        "find snapshots, instances, and the quotas of both",
        (
            "rds:DescribeDBInstances",
            "rds:DescribeDBSnapshots",
            "rds:DescribeDBSubnetGroups",
            "servicequotas:GetServiceQuota",
        ),
    ),
    Grant(
        "find what a failed destroy left: these list names and tags, of others too, and no data",
        (
            "elasticloadbalancing:DescribeTags",
            "iam:ListRoles",
            "rds:DescribeDBInstanceAutomatedBackups",
            "route53:ListHostedZones",
            "route53:ListResourceRecordSets",
            "secretsmanager:ListSecrets",
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
            "ec2:Describe*",
            "ecr:DescribeRepositories",
            "ecr:GetLifecyclePolicy",
            "ecr:ListTagsForResource",
            "eks:Describe*",
            "eks:List*",
            "elasticloadbalancing:Describe*",
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
            "route53:GetChange",
            "route53:GetHostedZone",
            "route53:ListHostedZonesByName",
            "route53:ListResourceRecordSets",
            "route53:ListTagsForResource",
            "tag:GetResources",
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


def preview_grants(app: AppName) -> tuple[Grant, ...]:
    """Return the permissions of an app's role of the environment ``preview``."""
    restored = own_instance(
        app.glob(StackKind.PREVIEW),
        staging=_staging(app),
        boundary="{boundary}",
        roles=("app", "secrets"),
    )
    return (*_PREVIEW, *restored, *own_buckets(app))


def staging_grants(app: AppName) -> tuple[Grant, ...]:
    """Return the permissions of an app's role of the environment ``staging``."""
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
        *own_instance(app.glob(StackKind.DATA), staging=_staging(app), boundary="{data_boundary}"),
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
                "ec2:DescribeSecurityGroupRules",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "kms:ListAliases",
                "rds:DescribeDBInstances",
                "rds:DescribeDBSnapshots",
                "rds:DescribeDBSubnetGroups",
                "tag:GetResources",
            ),
        ),
        Grant(
            "compare the app's repository with what is declared",
            ("ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource"),
            ("{arn}:ecr:{here}:repository/{repository}",),
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


def _reads_secrets_of(instances: str) -> tuple[Grant, ...]:
    return (
        Grant(
            f"whatever policies the role gets, it reads the secrets of databases {instances} alone",
            ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
            ("{arn}:secretsmanager:{here}:secret:rds!db-*",),
            # RDS itself puts this tag on the secrets that it keeps.
            {"StringLike": {_INSTANCE_TAG: f"{{arn}}:rds:{{here}}:db:{instances}"}},
        ),
    )


def preview_boundary(app: AppName) -> tuple[Grant, ...]:
    """Return the permissions boundary of the roles that an app's previews create."""
    return (
        *_reads_secrets_of(app.glob(StackKind.PREVIEW)),
        Grant(
            "a preview's pods get the secrets that preview.yaml names",
            ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
            (f"{{arn}}:secretsmanager:{{here}}:secret:{app.secrets_prefix}*",),
        ),
        *used_by_pods(app),
    )


def data_boundary(app: AppName) -> tuple[Grant, ...]:
    """Return the boundary of shared servers' roles, whose passwords no preview's role reads."""
    return _reads_secrets_of(app.glob(StackKind.DATA))


PREVIEW = preview_grants(PLATFORM_APP)
"""Permissions of the platform's role of the environment ``preview``."""

STAGING_DEPLOYMENT = staging_grants(PLATFORM_APP)
"""Permissions of the platform's role of the environment ``staging``."""

BOUNDARY = preview_boundary(PLATFORM_APP)
"""Permissions boundary of the roles that previews of the platform's own app create."""

DATA_BOUNDARY = data_boundary(PLATFORM_APP)
"""The same of its shared servers' roles."""
