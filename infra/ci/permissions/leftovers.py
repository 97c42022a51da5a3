"""Rows for what a failed destroy leaves, which `previews` finds and removes by itself."""

from __future__ import annotations

from infra.ci.permissions.grant import Grant


def leftovers(stacks: str) -> tuple[Grant, ...]:
    """Return the grants that find the leftovers of previews, and remove those that no one keeps.

    Instances, security groups, roles and buckets have rows of their own.

    Args:
        stacks: Wildcard of the previews' names.
    """
    secrets = "{arn}:secretsmanager:{here}:secret"
    names = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    actions = "route53:ChangeResourceRecordSetsActions"
    return (
        Grant(
            "find them: these list names and tags, of others too, and no data",
            (
                "elasticloadbalancing:DescribeTags",
                "iam:ListRoles",
                "rds:DescribeDBInstanceAutomatedBackups",
                "route53:ListHostedZones",
                "route53:ListResourceRecordSets",
                "secretsmanager:ListSecrets",
            ),
        ),
        Grant(
            "roles, which a list shows without their tags",
            ("iam:ListRoleTags",),
            (f"{{arn}}:iam::{{account}}:role/{stacks}",),
        ),
        Grant(
            "backups of an instance that somebody deleted; RDS keeps its tags with them",
            ("rds:DeleteDBInstanceAutomatedBackup",),
            ("{arn}:rds:{here}:auto-backup:*",),
            {"StringLike": {"aws:ResourceTag/stack": stacks}},
        ),
        Grant(
            "secrets that are named after a preview",
            ("secretsmanager:DeleteSecret",),
            (f"{secrets}:{stacks}",),
        ),
        Grant(
            "and those with its tag; a secret that RDS keeps goes with its instance",
            ("secretsmanager:DeleteSecret",),
            (f"{secrets}:*",),
            {
                "StringLike": {"aws:ResourceTag/stack": stacks},
                "StringNotEquals": {"aws:ResourceTag/aws:secretsmanager:owningService": "rds"},
            },
        ),
        Grant(
            "records of single previews, which are deleted and never written",
            ("route53:ChangeResourceRecordSets",),
            ("{arn}:route53:::hostedzone/*",),
            {
                "ForAllValues:StringLike": {
                    names: (f"{stacks}.{{domain}}", f"*.{stacks}.{{domain}}")
                },
                "ForAllValues:StringEquals": {actions: "DELETE"},
                # Without the two keys every value of theirs would be right.
                "Null": {names: "false", actions: "false"},
            },
        ),
    )
