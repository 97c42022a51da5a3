"""What a database is to the rest of a stack, however it came to be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi_aws import rds

PORT = 5432

MASTER = "database-master"
"""The Secret with the master user's login, where a stack has one."""

MIGRATOR = "database-migrator"
"""The Secret with the login of the role that migrates."""

APP = "database-app"
"""The Secret with the login of the service's role."""


@dataclass(frozen=True)
class Database:
    """One database on one PostgreSQL server.

    Attributes:
        host: The server's address.
        name: The database's name on it.
        origin: What a database that took over this one's address would not share with it.
        migrator_role: The role that owns the schema and may change it.
        app_role: The role of the service, which may read and write rows and nothing more.
        pool_size: Connections that a pod may hold, None for as many as the service likes.
    """

    host: pulumi.Output[str]
    name: pulumi.Input[str]
    origin: pulumi.Output[str]
    migrator_role: str = "service_migrator"
    app_role: str = "service_app"
    pool_size: pulumi.Input[int] | None = None

    @property
    def identity(self) -> pulumi.Output[str]:
        """What differs between a database and another one that took over its address."""
        return self.origin.apply(lambda origin: hashlib.sha256(origin.encode()).hexdigest()[:16])


@dataclass(frozen=True)
class OwnDatabase(Database):
    """The database of an RDS instance that the stack itself holds.

    RDS gives an instance that is made anew the same address, but another secret, so that the
    secret is its origin.
    """

    @property
    def master_secret_arn(self) -> pulumi.Output[str]:
        """The Secrets Manager secret with ``username`` and ``password`` of the master user.

        Its value is read in the cluster alone, never by this program.
        """
        return self.origin


def master_secret_arn(
    instance: str, secrets: Sequence[rds.outputs.InstanceMasterUserSecret] | None
) -> str:
    """ARN of the secret that RDS keeps for an instance's master user.

    Args:
        instance: The instance's identifier, for the message.
        secrets: Its ``master_user_secrets``.

    Raises:
        ProgramError: RDS keeps none.
    """
    arn = secrets[0].secret_arn if secrets else None
    if arn:
        return arn
    raise ProgramError(
        f"RDS instance {instance}",
        why="AWS names no secret for its master user, though the program asked for one",
        remedy="run `pulumi refresh` and then `pulumi up` again; RDS makes the secret by itself",
    )
