"""What CI may do in AWS: the one table from which its policies are made.

The role of previews touches what is named or tagged ``pr-*``; the role of staging keeps what a
person has made up to date, and makes nothing. Each grant says why it is there. Which action knows
which resource and which condition is AWS's to say (its Service Authorization Reference); a test
holds every grant against it, since a condition that an action does not know grants nothing.
"""

from __future__ import annotations

from infra.permissions.grant import Grant
from infra.permissions.shared import CLUSTER, IMAGES, NEVER

PREVIEWS = "pr-*"
"""What a preview's resources are named and tagged like (infra/stack_name.py)."""

STAGING = "staging"

_TAGGED_AS_PREVIEW = {"aws:ResourceTag/stack": PREVIEWS}
_INSTANCE_TAG = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
_BECOMES_PREVIEW = {"aws:RequestTag/stack": PREVIEWS}

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
    Grant(
        "restore staging's automated snapshots, and none else, into a preview's own instance",
        ("rds:RestoreDBInstanceFromDBSnapshot",),
        (
            f"{{arn}}:rds:{{here}}:db:{PREVIEWS}",
            f"{{arn}}:rds:{{here}}:snapshot:rds:{STAGING}-*",
            f"{{arn}}:rds:{{here}}:subgrp:{STAGING}-database",
            "{arn}:rds:{here}:og:default:*",
            "{arn}:rds:{here}:pg:default.*",
        ),
        {"StringLike": _BECOMES_PREVIEW, "BoolIfExists": {"rds:PubliclyAccessible": "false"}},
    ),
    Grant(
        "what an instance is changed in after its restore, and its end",
        ("rds:DeleteDBInstance", "rds:ListTagsForResource", "rds:ModifyDBInstance"),
        (f"{{arn}}:rds:{{here}}:db:{PREVIEWS}",),
    ),
    Grant(
        "commit and expiry change with every push; the stack does not",
        ("rds:AddTagsToResource", "rds:RemoveTagsFromResource"),
        (f"{{arn}}:rds:{{here}}:db:{PREVIEWS}",),
        {"StringLikeIfExists": _BECOMES_PREVIEW},
    ),
    Grant(
        "RDS makes the master's secret with the caller's rights",
        ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
        ("{arn}:secretsmanager:{here}:secret:rds!db-*",),
    ),
    Grant(
        "RDS looks at the key that a snapshot is encrypted with",
        ("kms:DescribeKey",),
        ("{arn}:kms:{here}:key/*",),
    ),
    Grant(
        "RDS encrypts a copy with the snapshot's key; only RDS gets to use it",
        ("kms:CreateGrant",),
        ("{arn}:kms:{here}:key/*",),
        {
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringEquals": {"kms:ViaService": "rds.{region}.amazonaws.com"},
        },
    ),
    Grant(
        "a security group that says from the start whose it is",
        ("ec2:CreateSecurityGroup",),
        ("{arn}:ec2:{here}:security-group/*",),
        {"StringLike": _BECOMES_PREVIEW},
    ),
    Grant(
        "in the cluster's VPC and no other",
        ("ec2:CreateSecurityGroup",),
        ("{arn}:ec2:{here}:vpc/{vpc}",),
    ),
    Grant(
        "tags, in the same call",
        ("ec2:CreateTags",),
        ("{arn}:ec2:{here}:security-group/*",),
        {
            "StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"},
            "StringLike": _BECOMES_PREVIEW,
        },
    ),
    Grant(
        "a preview's own group, its rules and its end",
        (
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:DeleteSecurityGroup",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
        ),
        ("{arn}:ec2:{here}:security-group/*",),
        {"StringLike": _TAGGED_AS_PREVIEW},
    ),
    Grant(
        "its tags; it stays a preview's",
        ("ec2:CreateTags", "ec2:DeleteTags"),
        ("{arn}:ec2:{here}:security-group/*",),
        {"StringLike": _TAGGED_AS_PREVIEW, "StringLikeIfExists": _BECOMES_PREVIEW},
    ),
    Grant(
        "the role of a preview's SecretStore: only with the boundary",
        ("iam:CreateRole",),
        (f"{{arn}}:iam::{{account}}:role/{PREVIEWS}-secrets",),
        {"ArnEquals": {"iam:PermissionsBoundary": "{boundary}"}, "StringLike": _BECOMES_PREVIEW},
    ),
    Grant(
        "what that role may do and who takes it: only while it has the boundary",
        ("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"),
        (f"{{arn}}:iam::{{account}}:role/{PREVIEWS}-secrets",),
        {"ArnEquals": {"iam:PermissionsBoundary": "{boundary}"}},
    ),
    Grant(
        "look at it, tag it, remove it",
        (
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies",
            "iam:TagRole",
            "iam:UntagRole",
        ),
        (f"{{arn}}:iam::{{account}}:role/{PREVIEWS}-secrets",),
    ),
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
)
"""What the role of the environment ``staging`` may do."""

BOUNDARY: tuple[Grant, ...] = (
    Grant(
        "whatever a preview's role is given, it reads the secrets of previews' databases alone",
        ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
        ("{arn}:secretsmanager:{here}:secret:rds!db-*",),
        # RDS itself puts this tag on the secrets that it keeps.
        {"StringLike": {_INSTANCE_TAG: f"{{arn}}:rds:{{here}}:db:{PREVIEWS}"}},
    ),
)
"""The permissions boundary of the roles that previews make."""
