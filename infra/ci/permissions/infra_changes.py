"""Permissions of the role that compares a pull request's changed program with its preview.

It executes code that nobody has reviewed. So it reads what `pulumi preview` of a preview reads, and
nothing else: no secret's value, no data, and it writes nothing.
"""

from __future__ import annotations

from contract.stack_name import PLATFORM_PROJECT, StackKind, stack_glob
from infra.ci.permissions.grant import Grant
from infra.ci.permissions.shared import CLUSTER

PLAN: tuple[Grant, ...] = (
    CLUSTER,
    Grant(
        "the program looks for staging's snapshots; the action lists no data",
        ("rds:DescribeDBSnapshots",),
    ),
    Grant(
        "it reads no value of a secret, whoever else may one day grant that",
        ("secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"),
        effect="Deny",
    ),
    Grant("and becomes no other role", ("iam:PassRole", "sts:AssumeRole"), effect="Deny"),
)

STATE_READ_KEY = Grant(
    "read the secrets in the state, which contains no password",
    ("kms:Decrypt",),
    ("{arn}:kms:{here}:key/*",),
    when={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "{state_key}"}},
)

STATE_READ: tuple[Grant, ...] = (
    Grant("find a stack", ("s3:ListBucket",), ("{arn}:s3:::{bucket}",)),
    Grant(
        "read the state of previews; what staging publishes for them is in the cluster",
        ("s3:GetObject",),
        tuple(
            f"{{arn}}:s3:::{{bucket}}/.pulumi/{key}"
            for key in (
                "meta.yaml",
                f"stacks/{PLATFORM_PROJECT}/{stack_glob(StackKind.PREVIEW)}",
            )
        ),
    ),
)
