"""Rows of a role that restores staging's snapshots into instances of its stacks' own."""

from __future__ import annotations

from contract.bounds import Bounds
from infra.ci.permissions.grant import Grant

_KEY = "{arn}:kms:{here}:key/*"
_GROUP = "{arn}:ec2:{here}:security-group/*"


def restored_instance(stacks: str, *, staging: str, bounds: Bounds) -> tuple[Grant, ...]:
    """Return the grants that bring unscrubbed data into an instance of a stack's own.

    Args:
        stacks: Wildcard of the stacks' names, which their resources are named and tagged with.
        staging: Name of the app's stack `staging`, whose snapshots are restored.
        bounds: The largest instance.
    """
    instance = f"{{arn}}:rds:{{here}}:db:{stacks}"
    classes = {"rds:DatabaseClass": bounds.class_patterns}
    kept_by_rds = {"rds:ManageMasterUserPassword": "true"}
    return (
        Grant(
            "restore staging's automated snapshots, and none else, into an own instance, which is"
            " small and has no public address",
            ("rds:RestoreDBInstanceFromDBSnapshot",),
            (
                instance,
                f"{{arn}}:rds:{{here}}:snapshot:rds:{staging}-*",
                f"{{arn}}:rds:{{here}}:subgrp:{staging}-database",
                "{arn}:rds:{here}:og:default:*",
                "{arn}:rds:{here}:pg:default.*",
            ),
            {
                "StringLike": {"aws:RequestTag/stack": stacks},
                # The provider sends it, and has RDS keep the password by a call of its own.
                "Bool": {"rds:PubliclyAccessible": "false"},
                "BoolIfExists": kept_by_rds,
                # Only the instance has a class.
                "StringLikeIfExists": classes,
            },
        ),
        Grant(
            "one change, after the restore: RDS keeps the password, so that nobody sets one",
            ("rds:ModifyDBInstance",),
            (instance,),
            {"Bool": kept_by_rds, "StringLikeIfExists": classes},
        ),
        Grant(
            "RDS makes the master's secret with the caller's rights",
            ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
            ("{arn}:secretsmanager:{here}:secret:rds!db-*",),
        ),
        Grant(
            "RDS looks at the key that a snapshot is encrypted with", ("kms:DescribeKey",), (_KEY,)
        ),
        Grant(
            "RDS encrypts a copy with the snapshot's key; only RDS gets to use it",
            ("kms:CreateGrant",),
            (_KEY,),
            {
                "Bool": {"kms:GrantIsForAWSResource": "true"},
                "StringEquals": {"kms:ViaService": "rds.{region}.amazonaws.com"},
            },
        ),
    )


def own_instance(stacks: str) -> tuple[Grant, ...]:
    """Return the grants for an instance that exists, and for the security group around it.

    Args:
        stacks: As in `restored_instance`.
    """
    instance = f"{{arn}}:rds:{{here}}:db:{stacks}"
    own = {"aws:ResourceTag/stack": stacks}
    becomes = {"aws:RequestTag/stack": stacks}
    return (
        Grant("its deletion", ("rds:DeleteDBInstance",), (instance,)),
        Grant(
            "its tags, in the same call and later; the stack stays",
            ("rds:AddTagsToResource", "rds:RemoveTagsFromResource"),
            (instance,),
            {"StringLikeIfExists": becomes},
        ),
        Grant(
            "a security group that is tagged with its stack from the start",
            ("ec2:CreateSecurityGroup",),
            (_GROUP,),
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
            (_GROUP,),
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
            (_GROUP,),
            {"StringLike": own},
        ),
        Grant(
            "its tags; it stays the same kind of stack's",
            ("ec2:CreateTags", "ec2:DeleteTags"),
            (_GROUP,),
            {"StringLike": own, "StringLikeIfExists": becomes},
        ),
    )


def own_roles(stacks: str, *, boundary: str, ends: tuple[str, ...]) -> tuple[Grant, ...]:
    """Return the grants for the roles of a stack, none of which is more than the boundary.

    A role's tag names the stack that its name begins with, and never another: the boundary opens
    the secret and the bucket of that one stack alone. IAM does not tell `Stack` from `stack`.

    Args:
        stacks: As in `restored_instance`.
        boundary: Permissions boundary that the roles must have.
        ends: Ends of the roles' names.
    """
    roles = tuple(f"{{arn}}:iam::{{account}}:role/{stacks}-{end}" for end in _shortest(ends))
    becomes = {"aws:RequestTag/stack": stacks}
    bound = {"ArnEquals": {"iam:PermissionsBoundary": boundary}}
    return (
        Grant(
            "the roles of its SecretStores and of its pods: only with the boundary, and with the"
            " tag of the stack that they are named after",
            ("iam:CreateRole",),
            tuple(
                f"{{arn}}:iam::{{account}}:role/${{{{aws:RequestTag/stack}}}}-{end}" for end in ends
            ),
            {**bound, "StringLike": becomes},
        ),
        Grant(
            "that tag, in the same call; it can become no other stack's",
            ("iam:TagRole",),
            ("{arn}:iam::{account}:role/${{aws:RequestTag/stack}}-*",),
            {"StringLike": becomes},
        ),
        Grant(
            "all other tags; commit and expiry change with every push",
            ("iam:TagRole",),
            roles,
            {"Null": {"aws:RequestTag/stack": "true"}},
        ),
        Grant(
            "the same when one is taken away",
            ("iam:UntagRole",),
            roles,
            {"ForAllValues:StringNotEqualsIgnoreCase": {"aws:TagKeys": "stack"}},
        ),
        Grant(
            "a role's permissions and trust: only while it has the boundary",
            (
                "iam:PutRolePolicy",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRoleDescription",
            ),
            roles,
            bound,
        ),
        Grant(
            "read it and delete it, with what somebody attached to it",
            (
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRolePolicies",
            ),
            roles,
        ),
    )


def _shortest(ends: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ends without those that another one covers, as the wildcard is before it."""
    return tuple(end for end in ends if not any(end.endswith(f"-{other}") for other in ends))
