"""Provisions a database of the stack's own: its Secrets, and the Job that prepares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import APP_SECRET, MASTER_SECRET, MIGRATOR_SECRET
from infra.database.database import (
    OwnDatabase,
    Preparation,
    ProvisionedDatabase,
    login,
    server,
)
from infra.database.job import DatabaseJob, DatabaseWork
from infra.database.master_secret import MasterSecret
from infra.database.role_passwords import RolePasswords
from infra.database.scrub_rules import VARIABLES, ScrubRules, mounted_rules
from infra.kubernetes.pod import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.app.preview_namespace import PreviewNamespace
    from infra.config.models import ServiceConfig
    from infra.database.snapshot_database import SnapshotDatabase
    from infra.platform_inputs import PlatformInputs

READER = "external-secrets"
"""Service account as which the operator reads Secrets Manager for a namespace."""

_STORE = "aws"
_RULES = "scrub-rules"
# Scrubbing and warming a restored database is part of it.
_PREPARE_SECONDS = 900


@dataclass(frozen=True)
class Copy:
    """A copy of staging's data.

    Attributes:
        restored: Instance that holds it.
        rules: Text of the rules by which it is scrubbed.
    """

    restored: SnapshotDatabase
    rules: pulumi.Input[str]


def provision_own_database(
    database: OwnDatabase,
    *,
    stack: StackName,
    namespace: PreviewNamespace,
    platform: PlatformInputs,
    resources: ServiceConfig,
    image: pulumi.Input[str],
    copy: Copy | None = None,
    extensions: Sequence[str] = (),
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
        copy: The copy of staging's data that it is, None for an original.
        extensions: Extensions of PostgreSQL that the app needs.
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
    rules = (
        None
        if copy is None
        else ScrubRules("rules", text=copy.rules, prefix=_RULES, scope=namespace.scope, opts=child)
    )
    prepare = DatabaseJob(
        "prepare",
        work=prepare_work(
            database, platform, image, rules=rules and rules.name, extensions=extensions
        ),
        scope=namespace.scope,
        resources=resources,
        depends_on=[
            *namespace.guards,
            *passwords.ready,
            master.ready,
            *([] if rules is None else [rules.ready]),
        ],
        opts=child,
    )
    done = prepare.job.id
    return ProvisionedDatabase(
        database=database,
        ready=[prepare.job],
        checksum=passwords.checksum,
        snapshot=None if copy is None else copy.restored.snapshot,
        snapshot_created=None if copy is None else copy.restored.snapshot_created,
        prepared_with=None
        if copy is None
        else Preparation(
            database=_after(done, database.identity),
            image=_after(done, image),
            rules=_after(done, copy.rules),
        ),
    )


def _after(done: pulumi.Output[str], value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return a value that is known once a Job has succeeded."""
    return pulumi.Output.all(done, value).apply(lambda known: str(known[1]))


def prepare_work(
    database: OwnDatabase,
    platform: PlatformInputs,
    image: pulumi.Input[str],
    *,
    rules: pulumi.Input[str] | None,
    extensions: Sequence[str] = (),
) -> DatabaseWork:
    """Return the work of the prepare Job: roles, ownership and grants, as the master user.

    Only this Job gets that user's password. A copy of staging's data is scrubbed and proven
    first; staging's own data is not touched.

    Args:
        database: The database.
        platform: TLS mode of its server.
        image: Image that is trusted with the master password, by digest.
        rules: ConfigMap with the rules of a copy's scrub, None for an original.
        extensions: Extensions of PostgreSQL that the app needs.
    """
    about = {"PREPARE_CONTENT": "original"}
    if rules is not None:
        about = {"PREPARE_CONTENT": "copy", **VARIABLES}
    if extensions:
        about["DATABASE_EXTENSIONS"] = ",".join(extensions)
    return DatabaseWork(
        name="prepare",
        command=["python", "-m", "database.prepare"],
        image=image,
        environment=Environment(
            values={**server(database, platform), **about},
            secrets={
                **login("DATABASE_MASTER", MASTER_SECRET),
                **login("DATABASE_MIGRATOR", MIGRATOR_SECRET),
                **login("DATABASE_APP", APP_SECRET),
            },
        ),
        database=database.identity,
        timeout_seconds=_PREPARE_SECONDS,
        mounted=() if rules is None else (mounted_rules(rules),),
    )
