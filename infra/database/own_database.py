"""Hands over a database of the stack's own: its Secrets, and the Job that prepares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from infra.database.database import APP, MASTER, MIGRATOR, OwnDatabase
from infra.database.job import DatabaseJob, DatabaseWork
from infra.database.login import login, server
from infra.database.master_secret import MasterSecret
from infra.database.provisioner import HandedOver
from infra.database.role_passwords import RolePasswords
from infra.kubernetes.pod import Environment

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.config.models import ServiceConfig
    from infra.platform_outputs import PlatformFacts

READER = "external-secrets"
"""The service account as which the operator reads Secrets Manager for a namespace."""

_STORE = "aws"
# Scrubbing and warming a restored database is part of it.
_PREPARE_SECONDS = 900


@dataclass(frozen=True)
class OwnDatabaseHandOver:
    """Secrets first; then the prepare Job, of an image that is trusted with the master password.

    Attributes:
        stack: Whose database it is.
        sizes: What the Job's pod needs.
        platform: The region, and who vouches for the cluster's service accounts.
        database: The database.
        image: The image that is trusted with the master password, by digest.
        snapshot: The snapshot that the data comes from, None where there is none.
        snapshot_created: When that was taken, RFC 3339.
    """

    stack: StackName
    sizes: ServiceConfig
    platform: PlatformFacts
    database: OwnDatabase
    image: pulumi.Input[str]
    snapshot: pulumi.Output[str] | None = None
    snapshot_created: pulumi.Output[str] | None = None

    def __call__(self, namespace: PreviewNamespace, parent: pulumi.Resource) -> HandedOver:
        """Declare the Secrets and the Job."""
        child = pulumi.ResourceOptions(parent=parent)
        passwords = RolePasswords(
            "passwords",
            home=namespace.home,
            migrator_role=self.database.migrator_role,
            app_role=self.database.app_role,
            opts=child,
        )
        master = MasterSecret(
            "master",
            stack=self.stack,
            home=namespace.home,
            secret=MASTER,
            store=_STORE,
            reader=READER,
            secret_arn=self.database.master_secret_arn,
            platform=self.platform,
            opts=child,
        )
        prepare = DatabaseJob(
            "prepare",
            work=prepare_work(
                self.database, self.platform, self.image, is_copy=self.snapshot is not None
            ),
            home=namespace.home,
            sizes=self.sizes,
            after=[*namespace.guards, *passwords.ready, master.ready],
            opts=child,
        )
        return HandedOver(
            database=self.database,
            ready=[prepare.job],
            checksum=passwords.checksum,
            snapshot=self.snapshot,
            snapshot_created=self.snapshot_created,
            prepared_with=pulumi.Output.all(prepare.job.id, self.image).apply(
                lambda done: str(done[1])
            ),
        )


def prepare_work(
    database: OwnDatabase, platform: PlatformFacts, image: pulumi.Input[str], *, is_copy: bool
) -> DatabaseWork:
    """Roles, ownership and grants, as the master user. Only this Job gets that password.

    A copy of staging's data is scrubbed and proven before; staging's own is not touched.
    """
    return DatabaseWork(
        name="prepare",
        module="database.prepare" if is_copy else "service.prepare",
        image=image,
        environment=Environment(
            values=server(database, platform),
            secrets={
                **login("DATABASE_MASTER", MASTER),
                **login("DATABASE_MIGRATOR", MIGRATOR),
                **login("DATABASE_APP", APP),
            },
        ),
        database=database.identity,
        timeout_seconds=_PREPARE_SECONDS,
    )
