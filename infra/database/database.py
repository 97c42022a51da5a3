"""A database as the rest of a stack uses it, however it was provisioned."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi
    from pulumi_aws import rds

    from infra.platform_inputs import PlatformInputs

PORT = 5432

NO_EXTENDED_SUPPORT = "open-source-rds-extended-support-disabled"
"""Life cycle of every instance: AWS upgrades it when its version's standard support ends. The
default keeps the version, at a price per CPU that is several times the instance's own."""


@dataclass(frozen=True)
class Database:
    """One database on one PostgreSQL server.

    Attributes:
        host: Address of the server.
        name: Name of the database on it.
        origin: ID that changes when the database is replaced; its address may stay the same.
        migrator_role: Role that owns the schema and may change it.
        app_role: Role of the service, which may read and write rows and nothing more.
        pool_size: Connections that a pod may hold, None for the service's own limit.
    """

    host: pulumi.Output[str]
    name: pulumi.Input[str]
    origin: pulumi.Output[str]
    migrator_role: str = "service_migrator"
    app_role: str = "service_app"
    pool_size: pulumi.Input[int] | None = None

    @property
    def identity(self) -> pulumi.Output[str]:
        """Hash of `origin`, short enough for an annotation."""
        return self.origin.apply(lambda origin: hashlib.sha256(origin.encode()).hexdigest()[:16])


@dataclass(frozen=True)
class OwnDatabase(Database):
    """The database of an RDS instance that the stack itself holds.

    RDS gives a recreated instance the same address but another secret, so the secret is its
    origin.
    """

    @property
    def master_secret_arn(self) -> pulumi.Output[str]:
        """ARN of the secret with ``username`` and ``password`` of the master user.

        Its value is read in the cluster alone, never by this program.
        """
        return self.origin


@dataclass(frozen=True)
class Preparation:
    """The means by which a copy of staging's data is prepared.

    Attributes:
        database: Identity of the database that holds the copy.
        image: Image of the Job, by digest.
        rules: Text of the rules of the scrub.
    """

    database: pulumi.Output[str]
    image: pulumi.Output[str]
    rules: pulumi.Output[str]


@dataclass(frozen=True)
class ProvisionedDatabase:
    """A database that is safe to use by the code of this commit.

    Attributes:
        database: The database.
        ready: Resources that the migrate Job depends on.
        checksum: Hash that changes when the app's login is made differently, so that pods are
            replaced.
        snapshot: Snapshot that the data comes from, None where there is none.
        snapshot_created: Time of the snapshot, RFC 3339.
        prepared_with: Image and rules with which the database was prepared, known once it was;
            None where the stack prepares no copy.
    """

    database: Database
    ready: Sequence[pulumi.Resource]
    checksum: str
    snapshot: pulumi.Output[str] | None = None
    snapshot_created: pulumi.Output[str] | None = None
    prepared_with: Preparation | None = None


def master_secret_arn(
    instance: str, secrets: Sequence[rds.outputs.InstanceMasterUserSecret] | None
) -> str:
    """Return the ARN of the secret that RDS keeps for an instance's master user.

    Args:
        instance: Identifier of the instance, for the message.
        secrets: Its ``master_user_secrets``.

    Raises:
        ProgramError: RDS keeps none.
    """
    arn = secrets[0].secret_arn if secrets else None
    if arn:
        return arn
    raise ProgramError(
        f"RDS instance {instance}",
        why="AWS lists no secret for its master user, although the program requested one",
        remedy="run `pulumi refresh` and then `pulumi up` again; RDS creates the secret itself",
    )


def server(database: Database, platform: PlatformInputs) -> dict[str, pulumi.Input[str]]:
    """Return the variables with the server's address and TLS mode."""
    return {
        "DATABASE_HOST": database.host,
        "DATABASE_PORT": str(PORT),
        "DATABASE_NAME": database.name,
        "DATABASE_SSLMODE": platform.database.ssl_mode,
    }


def login(prefix: str, secret: str) -> dict[str, tuple[str, str]]:
    """Return the variables with a role's name and password, from a Secret."""
    return {f"{prefix}_USER": (secret, "username"), f"{prefix}_PASSWORD": (secret, "password")}
