"""Permissions boundaries of the roles that stacks create: what their policies may allow at most.

CI's role writes the policy and the trust of such a role, and no condition of IAM's is about what
either says. So the boundary alone holds them: it opens nothing to a session that another account,
a service or another identity provider began, and only what belongs to the stack of the role's tag,
which CI's role can't change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.stack_name import StackKind
from infra.bucket_access import ON_BUCKET, ON_OBJECTS
from infra.ci.permissions.grant import Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.stack_name import AppName

_INSTANCE_TAG = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
_STACK = "${{aws:PrincipalTag/stack}}"
_READ = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
# A session of a role that was assumed from another session has none.
_FROM_THE_CLUSTER = {"aws:FederatedProvider": "{identity_provider}"}


def preview_boundary(app: AppName) -> tuple[Grant, ...]:
    """Return the permissions boundary of the roles that an app's previews create."""
    stacks = app.glob(StackKind.PREVIEW)
    bucket = f"{{arn}}:s3:::{_STACK}-{{account}}"
    return (
        *_own_database(stacks),
        Grant(
            "a preview's pods get the secrets that preview.yaml names; the app's stacks share them",
            _READ,
            (_shared_secrets(app),),
            _by_a_role_of(stacks),
        ),
        _decrypts("their own key, where they have one", _shared_secrets(app), stacks),
        Grant(
            "a preview's pods list their own bucket", ON_BUCKET, (bucket,), _by_a_role_of(stacks)
        ),
        Grant("and use the objects in it", ON_OBJECTS, (f"{bucket}/*",), _by_a_role_of(stacks)),
    )


def data_boundary(app: AppName) -> tuple[Grant, ...]:
    """Return the boundary of shared servers' roles, whose passwords no preview's role reads."""
    return _own_database(app.glob(StackKind.DATA))


def _own_database(stacks: str) -> tuple[Grant, ...]:
    by_its_own = _by_a_role_of(stacks)
    return (
        Grant(
            "whatever policies the role gets, it reads its own database's secret alone",
            _READ,
            ("{arn}:secretsmanager:{here}:secret:rds!db-*",),
            {
                **by_its_own,
                # RDS itself puts this tag on the secrets that it keeps.
                "StringEquals": {
                    **by_its_own["StringEquals"],
                    _INSTANCE_TAG: f"{{arn}}:rds:{{here}}:db:{_STACK}",
                },
            },
        ),
    )


def _by_a_role_of(stacks: str) -> dict[str, Mapping[str, str]]:
    return {
        "StringEquals": _FROM_THE_CLUSTER,
        "StringLike": {"aws:PrincipalTag/stack": stacks},
    }


def _shared_secrets(app: AppName) -> str:
    return f"{{arn}}:secretsmanager:{{here}}:secret:{app.secrets_prefix}*"


def _decrypts(why: str, secrets: str, stacks: str) -> Grant:
    """Return the grant for a secret's key, which Secrets Manager alone gets to use."""
    by_its_own = _by_a_role_of(stacks)
    return Grant(
        why,
        ("kms:Decrypt",),
        ("{arn}:kms:{here}:key/*",),
        {
            "StringEquals": {
                **by_its_own["StringEquals"],
                "kms:ViaService": "secretsmanager.{region}.amazonaws.com",
            },
            "StringLike": {
                **by_its_own["StringLike"],
                "kms:EncryptionContext:SecretARN": secrets,
            },
        },
    )
