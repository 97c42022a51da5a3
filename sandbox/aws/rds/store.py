"""Instances and snapshots in moto's RDS backends, found and changed by name."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from moto.core.utils import utcnow
from moto.rds.models import RDSBackend, rds_backends

from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.aws.rds.models import DBInstance, DBSnapshot


class Store:
    """What the one account has in the one region. Call with the state locked."""

    @property
    def backend(self) -> RDSBackend:
        """The backend that holds them."""
        return rds_backends[ACCOUNT][REGION]

    def instances(self) -> list[DBInstance]:
        """All instances."""
        return [cast("DBInstance", instance) for instance in self.backend.databases.values()]

    def instance(self, identifier: str) -> DBInstance | None:
        """The instance, or None."""
        return cast("DBInstance | None", self.backend.databases.get(identifier))

    def instance_names(self) -> set[str]:
        """Identifiers of all instances."""
        return {instance.db_instance_identifier for instance in self.instances()}

    def snapshots(self) -> list[DBSnapshot]:
        """All snapshots."""
        return [
            cast("DBSnapshot", snapshot) for snapshot in self.backend.database_snapshots.values()
        ]

    def snapshot_names(self) -> set[str]:
        """Identifiers of all snapshots."""
        return {snapshot.db_snapshot_identifier for snapshot in self.snapshots()}

    def add_snapshot(
        self,
        instance: DBInstance,
        identifier: str,
        kind: str = "manual",
        tags: list[dict[str, str]] | None = None,
    ) -> DBSnapshot:
        """Register a snapshot that is being made; the same name replaces an unfinished one."""
        snapshot = DBSnapshot(self.backend, instance, identifier, snapshot_type=kind, tags=tags)
        self.backend.database_snapshots[identifier] = snapshot
        return snapshot

    def add_automated_snapshot(self, instance: DBInstance) -> DBSnapshot:
        """Register an automated snapshot, named by the minute as AWS names them.

        AWS takes one a day; where several are asked for in one minute, the later
        ones take the next minutes' names.
        """
        at = utcnow()
        while (name := _automated_name(instance, at.strftime("%Y-%m-%d-%H-%M"))) in (
            self.snapshot_names()
        ):
            at += timedelta(minutes=1)
        return self.add_snapshot(instance, name, "automated")

    def forget_snapshot(self, identifier: str) -> None:
        """Remove the record; fine when there is none."""
        self.backend.database_snapshots.pop(identifier, None)

    def automated_snapshots(self, identifier: str) -> list[DBSnapshot]:
        """Available automated snapshots of an instance, oldest first."""
        found = [
            snapshot
            for snapshot in self.snapshots()
            if snapshot.snapshot_type == "automated"
            and snapshot.db_instance_identifier == identifier
            and snapshot.status == "available"
        ]
        return sorted(found, key=lambda snapshot: snapshot.created)

    def expired_snapshots(self, instance: DBInstance) -> list[str]:
        """Automated snapshots beyond the retention period, where each stands for a day."""
        kept = max(int(instance.backup_retention_period), 1)
        found = self.automated_snapshots(instance.db_instance_identifier)
        return [snapshot.db_snapshot_identifier for snapshot in found[:-kept]]

    def drop_unfinished_snapshots(self) -> None:
        """Forget snapshots whose copy a kill interrupted: their data were removed already."""
        for snapshot in self.snapshots():
            if snapshot.status != "available":
                self.forget_snapshot(snapshot.db_snapshot_identifier)

    def backups(self, instance: DBInstance) -> list[str]:
        """Every automated snapshot of an instance."""
        return [
            snapshot.db_snapshot_identifier
            for snapshot in self.snapshots()
            if snapshot.snapshot_type == "automated"
            and snapshot.db_instance_identifier == instance.db_instance_identifier
        ]

    def forget_instance(self, instance: DBInstance) -> None:
        """Remove an instance's record and its secret."""
        self.backend.databases.pop(instance.db_instance_identifier, None)
        instance.unmanage_password()

    def is_being_restored(self, snapshot: str) -> bool:
        """Whether an instance is getting its data from the snapshot."""
        return any(instance.restored_from == snapshot for instance in self.instances())


def _automated_name(instance: DBInstance, minute: str) -> str:
    return f"rds:{instance.db_instance_identifier}-{minute}"
