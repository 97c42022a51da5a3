"""moto's RDS backend, with servers behind the instances and data behind the snapshots."""

from __future__ import annotations

from typing import Any, cast

from moto.rds import urls
from moto.rds.exceptions import (
    DBInstanceAlreadyExists,
    DBInstanceNotFoundError,
    DBParameterGroupNotFoundError,
    DBSnapshotAlreadyExistsError,
    DBSubnetGroupNotFoundError,
    SnapshotQuotaExceededFault,
)
from moto.rds.models import RDSBackend, rds_backends
from moto.rds.utils import valid_preferred_maintenance_window

from sandbox.aws.rds import errors, hosted
from sandbox.aws.rds.models import BROKEN, DBInstance, DBSnapshot
from sandbox.aws.rds.not_offered import NotOffered
from sandbox.aws.rds.request import new_instance, restored_instance

INSTANCE_QUOTA = 40
# AWS's own key for RDS, made when it is first used.
_DEFAULT_KEY = "alias/aws/rds"
_DELETABLE = BROKEN | {"available", "stopped", "creating", "backing-up", "modifying", "rebooting"}


class Backend(NotOffered, RDSBackend):  # type: ignore[misc] # mypy does not follow moto
    """The methods that moto's responses call; what is not here is moto's."""

    @property
    def _url_module(self) -> Any:
        return urls

    def create_db_instance(self, db_kwargs: dict[str, Any]) -> DBInstance:
        """An empty instance; ``creating`` until its server answers."""
        properties = new_instance(dict(db_kwargs))
        if properties.get("storage_encrypted"):
            properties.setdefault("kms_key_id", self.kms.describe_key(_DEFAULT_KEY).arn)
        return self._bring_up(properties)

    def restore_db_instance_from_db_snapshot(
        self, from_snapshot_id: str, overrides: dict[str, Any]
    ) -> DBInstance:
        """An instance with a snapshot's data and master user."""
        if from_snapshot_id.startswith("arn:"):
            from_snapshot_id = self.extract_snapshot_name_from_arn(from_snapshot_id)
        snapshot = cast("DBSnapshot", self.get_db_snapshot(from_snapshot_id))
        if snapshot.status != "available":
            raise errors.wrong_snapshot_state(from_snapshot_id, snapshot.status)
        return self._bring_up(restored_instance(snapshot, dict(overrides)), from_snapshot_id)

    def _bring_up(self, properties: dict[str, Any], restored_from: str | None = None) -> DBInstance:
        identifier = properties["db_instance_identifier"]
        self._validate_db_identifier(identifier)
        if identifier in self.databases:
            raise DBInstanceAlreadyExists
        if len(self.databases) >= INSTANCE_QUOTA:
            raise errors.quota_exceeded(INSTANCE_QUOTA)
        group = properties.get("db_subnet_group_name")
        if group and group not in self.subnet_groups:
            raise DBSubnetGroupNotFoundError(group)
        instance = DBInstance(self, host=self._free_address(int(properties["port"])), **properties)
        instance.restored_from = restored_from
        self.databases[identifier] = instance
        instance.add_event("DB_INSTANCE_CREATE")
        hosted.lifecycle().create(instance)
        return instance

    def _free_address(self, port: int) -> str:
        taken = {cast("DBInstance", instance).host for instance in self.databases.values()}
        address = hosted.lifecycle().hosting.free_address(taken, port)
        if address is None:
            raise errors.quota_exceeded(INSTANCE_QUOTA)
        return address

    def _available(self, identifier: str, action: str) -> DBInstance:
        instance = self._instance(identifier)
        if instance.status != "available":
            raise errors.wrong_instance_state(identifier, instance.status, action)
        return instance

    def _instance(self, identifier: str) -> DBInstance:
        if identifier not in self.databases:
            raise DBInstanceNotFoundError(identifier)
        return cast("DBInstance", self.databases[identifier])

    def modify_db_instance(
        self, db_instance_identifier: str, db_kwargs: dict[str, Any]
    ) -> DBInstance:
        """Change an available instance; only its password needs work on the server."""
        instance = self._available(db_instance_identifier, "modified")
        changes = {name: value for name, value in dict(db_kwargs).items() if value is not None}
        if changes.pop("new_db_instance_identifier", None):
            raise errors.not_offered("renaming of instances")
        group = changes.get("db_parameter_group_name")
        if group and group not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(group)
        _require_sane_windows(instance, changes)
        backed_up = instance.backup_retention_period > 0
        self._change_password(instance, changes)
        instance.update(**changes)
        if instance.password_pending:
            instance.status = "resetting-master-credentials"
            hosted.lifecycle().take_password(instance)
        if not backed_up and instance.backup_retention_period > 0:
            self.take_automated_snapshot(instance.db_instance_identifier)
        return instance

    def _change_password(self, instance: DBInstance, changes: dict[str, Any]) -> None:
        managed = changes.pop("manage_master_user_password", None)
        kms_key = changes.pop("master_user_secret_kms_key_id", None)
        rotate = changes.pop("rotate_master_user_password", None)
        password = changes.pop("master_user_password", None)
        if password and (managed or (instance.manage_master_user_password and managed is None)):
            raise errors.invalid_combination(
                "You can't specify MasterUserPassword for an instance whose password is managed."
            )
        if managed:
            instance.manage_password(kms_key)
        elif managed is False:
            if instance.manage_master_user_password and not password:
                raise errors.invalid_combination(
                    "MasterUserPassword is required to end the management of the password."
                )
            instance.unmanage_password()
        if rotate:
            if not changes.get("apply_immediately") or not instance.manage_master_user_password:
                raise errors.invalid_combination(
                    "Rotating the master password needs a managed one, and ApplyImmediately."
                )
            instance.master_user_secret.rotate_secret()
            instance.password_pending = True
        if password:
            instance.want_password(password)

    def delete_db_instance(
        self,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> DBInstance:
        """Begin a deletion; the instance is gone when its server and folder are."""
        instance = self._instance(db_instance_identifier)
        if instance.deletion_protection:
            raise errors.invalid_combination(
                "Cannot delete protected DB Instance, please disable deletion protection"
                " and try again."
            )
        if instance.status not in _DELETABLE:
            raise errors.wrong_instance_state(db_instance_identifier, instance.status, "deleted")
        if not skip_final_snapshot:
            instance.final_snapshot = self._final_snapshot(instance, final_db_snapshot_identifier)
        instance.keeps_backups = delete_automated_backups is False
        instance.status = "deleting"
        hosted.lifecycle().delete(instance)
        return instance

    def _final_snapshot(self, instance: DBInstance, identifier: str | None) -> str:
        if not identifier:
            raise errors.invalid_combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            )
        if identifier in self.database_snapshots:
            raise DBSnapshotAlreadyExistsError(identifier)
        if instance.status not in {"available", "stopped"}:
            raise errors.wrong_instance_state(
                instance.db_instance_identifier, instance.status, "copied to a final snapshot"
            )
        return identifier

    def reboot_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """Restart the server, with the current parameters of its group."""
        instance = self._available(db_instance_identifier, "rebooted")
        instance.status = "rebooting"
        hosted.lifecycle().start(instance, stop_first=True)
        return instance

    def stop_db_instance(
        self, db_instance_identifier: str, db_snapshot_identifier: str | None = None
    ) -> DBInstance:
        """Shut the server down; the data stay."""
        instance = self._available(db_instance_identifier, "stopped")
        if db_snapshot_identifier:
            self.create_db_snapshot(db_instance_identifier, db_snapshot_identifier)
        instance.status = "stopping"
        hosted.lifecycle().stop(instance)
        return instance

    def start_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """Start a stopped instance's server."""
        instance = self._instance(db_instance_identifier)
        if instance.status != "stopped":
            raise errors.wrong_instance_state(db_instance_identifier, instance.status, "started")
        instance.status = "starting"
        hosted.lifecycle().start(instance)
        return instance

    def create_db_snapshot(
        self,
        db_instance_identifier: str,
        db_snapshot_identifier: str,
        snapshot_type: str = "manual",
        tags: list[dict[str, str]] | None = None,
        **_: Any,
    ) -> DBSnapshot:
        """Begin a snapshot; ``creating`` until the copy is whole."""
        instance = self._instance(db_instance_identifier)
        if instance.status not in {"available", "stopped"}:
            raise errors.wrong_instance_state(db_instance_identifier, instance.status, "copied")
        self._require_new_snapshot(db_snapshot_identifier)
        store = hosted.store()
        snapshot = store.add_snapshot(instance, db_snapshot_identifier, snapshot_type, tags)
        hosted.lifecycle().snapshot(instance, snapshot)
        return snapshot

    def take_automated_snapshot(self, identifier: str) -> hosted.Pending:
        """What AWS does in the backup window."""
        instance = self._available(identifier, "copied")
        if not instance.backup_retention_period:
            raise errors.invalid_combination(
                f"{identifier} keeps no automated backups: its BackupRetentionPeriod is 0."
            )
        snapshot = hosted.store().add_automated_snapshot(instance)
        return hosted.Pending(snapshot, hosted.lifecycle().snapshot(instance, snapshot))

    def copy_db_snapshot(
        self,
        source_db_snapshot_identifier: str,
        target_db_snapshot_identifier: str,
        tags: list[dict[str, str]] | None = None,
        copy_tags: bool | None = False,
        **_: Any,
    ) -> DBSnapshot:
        """Copy an available snapshot to a manual one."""
        source_id = source_db_snapshot_identifier
        if source_id.startswith("arn:"):
            source_id = self.extract_snapshot_name_from_arn(source_id)
        source = cast("DBSnapshot", self.get_db_snapshot(source_id))
        if source.status != "available":
            raise errors.wrong_snapshot_state(source_id, source.status)
        self._require_new_snapshot(target_db_snapshot_identifier)
        target = hosted.store().add_snapshot(
            source.database,
            target_db_snapshot_identifier,
            tags=source.tags if copy_tags and not tags else tags,
        )
        hosted.lifecycle().copy_snapshot(source, target)
        return target

    def _require_new_snapshot(self, identifier: str) -> None:
        if identifier in self.database_snapshots:
            raise DBSnapshotAlreadyExistsError(identifier)
        if len(self.database_snapshots) >= self.SNAPSHOT_QUOTA:
            raise SnapshotQuotaExceededFault

    def delete_db_snapshot(self, db_snapshot_identifier: str) -> DBSnapshot:
        """Remove a snapshot with its data."""
        snapshot = cast("DBSnapshot", self.get_db_snapshot(db_snapshot_identifier))
        if hosted.store().is_being_restored(snapshot.db_snapshot_identifier):
            raise errors.wrong_snapshot_state(db_snapshot_identifier, "being restored")
        if snapshot.status != "available":
            raise errors.wrong_snapshot_state(db_snapshot_identifier, snapshot.status)
        hosted.lifecycle().delete_snapshot(snapshot.db_snapshot_identifier)
        snapshot.status = "deleted"
        return snapshot


def _require_sane_windows(instance: DBInstance, changes: dict[str, Any]) -> None:
    message = valid_preferred_maintenance_window(
        changes.get("preferred_maintenance_window", instance.preferred_maintenance_window),
        changes.get("preferred_backup_window", instance.preferred_backup_window),
    )
    if message:
        raise errors.invalid_value(message)


def install() -> None:
    """Have moto make its RDS backends from this class."""
    rds_backends.backend = Backend
