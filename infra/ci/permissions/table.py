"""What CI may do in AWS: the one table from which its policies are made.

The role of previews touches what is named or tagged ``pr-*``; the role of staging keeps what a
person has made up to date, and makes nothing but servers ``data-*`` for databases of previews.
Each grant says why it is there. Which action knows which resource and which condition is AWS's to
say (its Service Authorization Reference); a test holds every grant against it, since a condition
that an action does not know grants nothing.
"""

from __future__ import annotations

from infra.ci.permissions.grant import Grant
from infra.ci.permissions.restoring import STAGING, own_instance
from infra.ci.permissions.shared import CLUSTER, IMAGES, NEVER

PREVIEWS = "pr-*"
"""What a preview's resources are named and tagged like (contract/stack_name.py)."""

DATA = "data-*"
"""The same of the servers that previews share in mode ``branch``."""

_INSTANCE_TAG = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"

PREVIEW: tuple[Grant, ...] = (
    *NEVER,
    *IMAGES,
    Grant(
        "a preview's image goes with it; ECR knows no condition on a tag, so this alone reaches"
        " beyond pr-*, and staging's images are kept by name in `previews`",
        ("ecr:BatchDeleteImage",),
        ("{arn}:ecr:{here}:repository/{repository}",),
    ),
    CLUSTER,
    Grant(
        "look before acting; these know no resource, and show no data",
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
        "find snapshots, instances, and how many there may be",
        (
            "rds:DescribeDBInstances",
            "rds:DescribeDBSnapshots",
            "rds:DescribeDBSubnetGroups",
            "servicequotas:GetServiceQuota",
        ),
    ),
    *own_instance(PREVIEWS, boundary="{boundary}"),
)
"""What the role of the environment ``preview`` may do."""

STAGING_DEPLOYMENT: tuple[Grant, ...] = (
    *NEVER,
    *IMAGES,
    CLUSTER,
    Grant(
        "compare what is with what is declared; secrets' values are none of it",
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
        "each resource says of which commit it is",
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
    *own_instance(DATA, boundary="{data_boundary}"),
)
"""What the role of the environment ``staging`` may do."""


def _reads_secrets_of(instances: str) -> tuple[Grant, ...]:
    return (
        Grant(
            f"whatever the role is given, it reads the secrets of databases {instances} alone",
            ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
            ("{arn}:secretsmanager:{here}:secret:rds!db-*",),
            # RDS itself puts this tag on the secrets that it keeps.
            {"StringLike": {_INSTANCE_TAG: f"{{arn}}:rds:{{here}}:db:{instances}"}},
        ),
    )


BOUNDARY = _reads_secrets_of(PREVIEWS)
"""The permissions boundary of the roles that previews make."""

DATA_BOUNDARY = _reads_secrets_of(DATA)
"""The same of those that shared servers have: a preview's role never reads their passwords."""
