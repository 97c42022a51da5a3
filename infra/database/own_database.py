"""Provisions a database of the stack's own: its Secrets, and the Job that prepares it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import APP_SECRET, MASTER_SECRET, MIGRATOR_SECRET
from infra.database.database import OwnDatabase, ProvisionedDatabase, login, server
from infra.database.job import DatabaseJob, DatabaseWork
from infra.database.master_secret import MasterSecret
from infra.database.role_passwords import RolePasswords
from infra.kubernetes.pod import Environment

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.config.models import ServiceConfig
    from infra.database.snapshot_database import SnapshotDatabase
    from infra.platform_inputs import PlatformInputs

READER = "external-secrets"
"""Service account as which the operator reads Secrets Manager for a namespace."""

_STORE = "aws"
# Scrubbing and warming a restored database is part of it.
_PREPARE_SECONDS = 900


def provision_own_database(
    database: OwnDatabase,
    *,
    stack: StackName,
    namespace: PreviewNamespace,
    platform: PlatformInputs,
    resources: ServiceConfig,
    image: pulumi.Input[str],
    restored: SnapshotDatabase | None = None,
    parent: pulumi.Resource,
) -> ProvisionedDatabase:
    """Declare the Secrets, then the prepare Job.

    Args:
        database: The database.
        stack: Stack that owns it.
        namespace: Namespace of the Secrets and the Job.
        platform: The region, and the identity provider of the cluster's service accounts.
        resources: Resources of the Job's pod.
        image: Image that is trusted with the master password, by digest.
        restored: Instance that holds a copy of staging's data, None for an original.
        parent: Component that all of it belongs to.
    """
    child = pulumi.ResourceOptions(parent=parent)
    passwords = RolePasswords(
        "passwords",
        scope=namespace.scope,
        migrator_role=database.migrator_role,
        app_role=database.app_role,
        opts=child,
    )
    master = MasterSecret(
        "master",
        stack=stack,
        scope=namespace.scope,
        secret=MASTER_SECRET,
        store=_STORE,
        reader=READER,
        secret_arn=database.master_secret_arn,
        platform=platform,
        opts=child,
    )
    prepare = DatabaseJob(
        "prepare",
        work=prepare_work(database, platform, image, is_copy=restored is not None),
        scope=namespace.scope,
        resources=resources,
        depends_on=[*namespace.guards, *passwords.ready, master.ready],
        opts=child,
    )
    return ProvisionedDatabase(
        database=database,
        ready=[prepare.job],
        checksum=passwords.checksum,
        snapshot=None if restored is None else restored.snapshot,
        snapshot_created=None if restored is None else restored.snapshot_created,
        prepared_with=pulumi.Output.all(prepare.job.id, image).apply(lambda done: str(done[1])),
    )


def prepare_work(
    database: OwnDatabase, platform: PlatformInputs, image: pulumi.Input[str], *, is_copy: bool
) -> DatabaseWork:
    """Return the work of the prepare Job: roles, ownership and grants, as the master user.

    Only this Job gets that user's password. A copy of staging's data is scrubbed and proven
    first; staging's own data is not touched.
    """
    return DatabaseWork(
        name="prepare",
        command=["python", "-m", "database.prepare" if is_copy else "service.prepare"],
        image=image,
        environment=Environment(
            values=server(database, platform),
            secrets={
                **login("DATABASE_MASTER", MASTER_SECRET),
                **login("DATABASE_MIGRATOR", MIGRATOR_SECRET),
                **login("DATABASE_APP", APP_SECRET),
            },
        ),
        database=database.identity,
        timeout_seconds=_PREPARE_SECONDS,
    )
