"""Rows of a role that restores staging's snapshots into instances of its stacks' own."""

from __future__ import annotations

from infra.ci.permissions.grant import Grant


def own_instance(
    stacks: str, *, staging: str, boundary: str, roles: tuple[str, ...] = ("secrets",)
) -> tuple[Grant, ...]:
    """Return the grants for an instance, its security group and the stack's roles.

    Args:
        stacks: Wildcard of the stacks' names, which their resources are named and tagged with.
        staging: Name of the app's stack `staging`, whose instance they are restored from.
        boundary: Permissions boundary that the roles must have.
        roles: Ends of the roles' names: the one reads the password, others are the app's.
    """
    of_roles = tuple(f"{{arn}}:iam::{{account}}:role/{stacks}-{role}" for role in roles)
    own = {"aws:ResourceTag/stack": stacks}
    becomes = {"aws:RequestTag/stack": stacks}
    return (
        Grant(
            "restore staging's automated snapshots, and none else, into an own instance",
            ("rds:RestoreDBInstanceFromDBSnapshot",),
            (
                f"{{arn}}:rds:{{here}}:db:{stacks}",
                f"{{arn}}:rds:{{here}}:snapshot:rds:{staging}-*",
                f"{{arn}}:rds:{{here}}:subgrp:{staging}-database",
                "{arn}:rds:{here}:og:default:*",
                "{arn}:rds:{here}:pg:default.*",
            ),
            {"StringLike": becomes, "BoolIfExists": {"rds:PubliclyAccessible": "false"}},
        ),
        Grant(
            "changes of an instance after its restore, and its deletion",
            ("rds:DeleteDBInstance", "rds:ListTagsForResource", "rds:ModifyDBInstance"),
            (f"{{arn}}:rds:{{here}}:db:{stacks}",),
        ),
        Grant(
            "commit and expiry change with every push; the stack does not",
            ("rds:AddTagsToResource", "rds:RemoveTagsFromResource"),
            (f"{{arn}}:rds:{{here}}:db:{stacks}",),
            {"StringLikeIfExists": becomes},
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
            "a security group that is tagged with its stack from the start",
            ("ec2:CreateSecurityGroup",),
            ("{arn}:ec2:{here}:security-group/*",),
            {"StringLike": becomes},
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
                "StringLike": becomes,
            },
        ),
        Grant(
            "the stack's own group, its rules and its deletion",
            (
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:DeleteSecurityGroup",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
            ),
            ("{arn}:ec2:{here}:security-group/*",),
            {"StringLike": own},
        ),
        Grant(
            "its tags; it stays the same kind of stack's",
            ("ec2:CreateTags", "ec2:DeleteTags"),
            ("{arn}:ec2:{here}:security-group/*",),
            {"StringLike": own, "StringLikeIfExists": becomes},
        ),
        Grant(
            "the roles of its SecretStore and of its pods: only with the boundary",
            ("iam:CreateRole",),
            of_roles,
            {"ArnEquals": {"iam:PermissionsBoundary": boundary}, "StringLike": becomes},
        ),
        Grant(
            "a role's permissions and trust: only while it has the boundary",
            ("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"),
            of_roles,
            {"ArnEquals": {"iam:PermissionsBoundary": boundary}},
        ),
        Grant(
            "read it, tag it, delete it",
            (
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRoleTags",
                "iam:ListRolePolicies",
                "iam:TagRole",
                "iam:UntagRole",
            ),
            of_roles,
        ),
    )
