"""RDS: instances, and their backups and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import AwsFinder, Item, OwnRepository, as_mapping, owner_by_name

if TYPE_CHECKING:
    from boto3.session import Session

_BEING_DELETED = "deleting"


class Rds(AwsFinder):
    """Database instances, retained backups, and manual snapshots."""

    name = "RDS"

    def __init__(
        self, session: Session, repository: OwnRepository | None, app: AppName = PLATFORM_APP
    ) -> None:
        super().__init__(repository, app)
        self._rds = session.client("rds")

    def find(self) -> Iterator[Item]:
        """Yield instances, backups and snapshots; a request returns 100."""
        for page in self._rds.get_paginator("describe_db_instances").paginate():
            for instance in page["DBInstances"]:
                identifier = instance["DBInstanceIdentifier"]
                tags = as_mapping(instance.get("TagList"))
                yield from self.item("instance", identifier, tags, self._owner(identifier))
        backups = self._rds.get_paginator("describe_db_instance_automated_backups")
        for backup_page in backups.paginate():
            for backup in backup_page["DBInstanceAutomatedBackups"]:
                # An active one belongs to its instance, and is deleted with it.
                if backup.get("Status") == "retained":
                    yield from self._backup(backup)
        snapshots = self._rds.get_paginator("describe_db_snapshots")
        for snapshot_page in snapshots.paginate(SnapshotType="manual"):
            for snapshot in snapshot_page["DBSnapshots"]:
                identifier = snapshot["DBSnapshotIdentifier"]
                tags = as_mapping(snapshot.get("TagList"))
                owner = self._owner(snapshot["DBInstanceIdentifier"])
                keep = "it was taken by hand"
                yield from self.item("snapshot", identifier, tags, owner, keep=keep, counts=False)

    def remove(self, item: Item) -> None:
        """Delete it without a final snapshot, and wait until it is gone."""
        with suppress(self._rds.exceptions.DBInstanceNotFoundFault):
            if item.kind == "automated backup":
                self._rds.delete_db_instance_automated_backup(DbiResourceId=item.id)
                return
            self._delete(item.id)
            self._rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier=item.id)

    def _delete(self, identifier: str) -> None:
        try:
            self._rds.delete_db_instance(
                DBInstanceIdentifier=identifier,
                SkipFinalSnapshot=True,
                DeleteAutomatedBackups=True,
            )
        except ClientError as error:
            response = self._rds.describe_db_instances(DBInstanceIdentifier=identifier)
            (instance,) = response["DBInstances"]
            if instance["DBInstanceStatus"] != _BEING_DELETED:
                raise error from None

    def _owner(self, identifier: str) -> str | None:
        return owner_by_name(identifier, app=self._app)

    def _backup(self, backup: Any) -> Iterator[Item]:
        identifier = backup["DbiResourceId"]
        by_name = self._owner(backup["DBInstanceIdentifier"])
        yield from self.item("automated backup", identifier, {}, by_name)
