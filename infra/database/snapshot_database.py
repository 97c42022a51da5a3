"""A preview's database in mode ``snapshot``: an RDS instance restored from staging's data.

The instance is pinned to the snapshot that it was restored from. Pulumi would replace it
whenever a newer one appears, since the snapshot is a property that cannot change, so changes
of it are ignored (docs/decisions/0004-a-database-is-pinned-to-its-snapshot.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import rds

from infra.database.database import NO_EXTENDED_SUPPORT, OwnDatabase, master_secret_arn
from infra.database.security_group import SecurityGroup
from infra.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.platform_inputs import PlatformInputs

CREATED_TAG = "snapshot-created"
"""Tag that keeps the pinned snapshot's time; AWS deletes the snapshot itself within days."""


@dataclass(frozen=True)
class Snapshot:
    """An automated snapshot of an RDS instance that can be restored.

    Attributes:
        identifier: Identifier, such as ``rds:staging-2030-01-31-03-05``.
        created: Time of its creation, RFC 3339.
    """

    identifier: str
    created: str


class SnapshotDatabase(pulumi.ComponentResource):
    """An RDS instance of the preview's own, restored from staging's latest snapshot.

    Attributes:
        database: The database.
        snapshot: Identifier of the snapshot that it was restored from.
        snapshot_created: Time of that snapshot, RFC 3339.
    """

    database: OwnDatabase
    snapshot: pulumi.Output[str]
    snapshot_created: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        instance_class: pulumi.Input[str],
        platform: PlatformInputs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the instance and the security group around it.

        Args:
            stack: Stack that the resources are named after.
            instance_class: Class of the instance.
            platform: Staging's instance, the network and the cluster.
        """
        super().__init__("previews:preview:SnapshotDatabase", name, None, opts)
        latest = latest_snapshot(platform.database.instance)
        firewall = SecurityGroup(
            "firewall",
            name=stack.database_security_group,
            description=f"Database of {stack}",
            vpc_id=platform.cluster.vpc_id,
            source_security_group_id=platform.cluster.security_group_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Only what RDS takes in the restore call itself is set here; anything else would be a
        # second modification with another wait of minutes. Engine, storage, user and database
        # come with the snapshot. `storage_encrypted` is not sent, but must equal the
        # snapshot's, or the next `up` would replace the instance.
        instance = rds.Instance(
            "instance",
            identifier=stack.database_identifier,
            snapshot_identifier=latest.apply(lambda snapshot: snapshot.identifier),
            instance_class=instance_class,
            storage_encrypted=True,
            manage_master_user_password=True,
            db_subnet_group_name=platform.database.subnet_group,
            vpc_security_group_ids=[firewall.id],
            publicly_accessible=False,
            multi_az=False,
            # Above 0 RDS takes a backup before it calls the instance available.
            backup_retention_period=0,
            copy_tags_to_snapshot=False,
            deletion_protection=False,
            # A final snapshot would outlive the preview, and without a name it blocks destroy.
            skip_final_snapshot=True,
            delete_automated_backups=True,
            auto_minor_version_upgrade=False,
            engine_lifecycle_support=NO_EXTENDED_SUPPORT,
            apply_immediately=True,
            tags={CREATED_TAG: latest.apply(lambda snapshot: snapshot.created)},
            opts=pulumi.ResourceOptions(
                parent=self,
                # CI's role of previews changes an instance once, after its restore: a larger class
                # is for new ones.
                ignore_changes=[
                    "snapshotIdentifier",
                    "instanceClass",
                    f'tags["{CREATED_TAG}"]',
                ],
            ),
        )
        # Read from the instance and not from the look-up: these two are the pinned ones.
        self.snapshot = instance.snapshot_identifier.apply(lambda identifier: identifier or "")
        self.snapshot_created = instance.tags.apply(lambda tags: (tags or {}).get(CREATED_TAG, ""))
        self.database = OwnDatabase(
            host=instance.address,
            name=platform.database.name,
            origin=instance.master_user_secrets.apply(
                lambda secrets: master_secret_arn(stack.database_identifier, secrets)
            ),
        )
        self.register_outputs(
            {
                "snapshot": self.snapshot,
                "snapshotCreated": self.snapshot_created,
            }
        )


def latest_snapshot(instance: pulumi.Input[str]) -> pulumi.Output[Snapshot]:
    """Return the newest automated snapshot of an instance that can be restored.

    The provider has no look-up for it: ``getSnapshot`` with ``mostRecent`` ignores the status, so
    during the backup window it returns a snapshot that is not finished.
    """
    found = rds.get_snapshots_output(db_instance_identifier=instance, snapshot_type="automated")
    return found.apply(
        lambda result: newest_available(result.db_instance_identifier or "", result.snapshots)
    )


def newest_available(
    instance: str, snapshots: Sequence[rds.outputs.GetSnapshotsSnapshotResult]
) -> Snapshot:
    """Return the newest snapshot that can be restored.

    Raises:
        ProgramError: There is none.
    """
    available = [snapshot for snapshot in snapshots if snapshot.status == "available"]
    if available:
        # RFC 3339 in UTC: the order of the text is the order of time.
        newest = max(available, key=lambda snapshot: snapshot.snapshot_create_time)
        return Snapshot(newest.db_snapshot_identifier, newest.snapshot_create_time)
    why = "it has none"
    if snapshots:
        states = ", ".join(sorted({snapshot.status for snapshot in snapshots}))
        why = f"it has {len(snapshots)}, but none is available (they are {states})"
    remedy = (
        f"wait for the next backup window, or turn automated backups of {instance} on "
        "(previews:database.backupRetentionDays of stack staging, at least 1); "
        f"`aws rds describe-db-snapshots --db-instance-identifier {instance} "
        "--snapshot-type automated` lists them"
    )
    raise ProgramError(f"automated snapshot of RDS instance {instance}", why=why, remedy=remedy)
