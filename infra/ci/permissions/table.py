"""CI's permissions in AWS: the one table from which its policies are made.

The role of previews may change what is named or tagged ``pr-*``; the role of staging updates what
a person has created, and creates nothing but servers ``data-*`` for databases of previews. Each
grant has its reason. AWS's Service Authorization Reference defines the resources and conditions
that an action supports; a test compares every grant with it, since a condition that an action does
not support grants nothing.
"""

from __future__ import annotations

from contract.stack_name import StackKind, stack_glob
from infra.ci.permissions.grant import Grant
from infra.ci.permissions.restoring import STAGING, own_instance
from infra.ci.permissions.shared import CLUSTER, IMAGES, NEVER

_INSTANCE_TAG = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"

PREVIEW: tuple[Grant, ...] = (
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
    *own_instance(stack_glob(StackKind.PREVIEW), boundary="{boundary}"),
)
"""Permissions of the role of the environment ``preview``."""

STAGING_DEPLOYMENT: tuple[Grant, ...] = (
    *NEVER,
    *IMAGES,
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
    Grant(
        "staging's database grows with Pulumi.staging.yaml",
        ("rds:ModifyDBInstance",),
        (f"{{arn}}:rds:{{here}}:db:{STAGING}",),
        {"BoolIfExists": {"rds:ManageMasterUserPassword": "true"}},
    ),
    # `previews refresh`: what holds unscrubbed data for a while is none of the preview role's.
    *own_instance(stack_glob(StackKind.DATA), boundary="{data_boundary}"),
)
"""Permissions of the role of the environment ``staging``."""


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


BOUNDARY = _reads_secrets_of(stack_glob(StackKind.PREVIEW))
"""Permissions boundary of the roles that previews create."""

DATA_BOUNDARY = _reads_secrets_of(stack_glob(StackKind.DATA))
"""Permissions boundary of shared servers' roles: a preview's role never reads their passwords."""
