"""RDS backend: moto's, with a server for each instance and data for each snapshot."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, ClassVar, NoReturn, cast

from moto.core.responses import ActionResult
from moto.rds import urls
from moto.rds.exceptions import (
    DBInstanceAlreadyExists,
    DBInstanceNotFoundError,
    DBParameterGroupNotFoundError,
    DBSnapshotAlreadyExistsError,
    DBSubnetGroupNotFoundError,
    RDSClientError,
    SnapshotQuotaExceededFault,
)
from moto.rds.models import RDSBackend, rds_backends
from moto.rds.responses import RDSResponse
from moto.rds.utils import valid_preferred_maintenance_window

from sandbox.aws.rds.lifecycle import Lifecycle
from sandbox.aws.rds.models import BROKEN, DBInstance, DBSnapshot
from sandbox.errors import SandboxError
from sandbox.postgres import roles
from sandbox.postgres.binaries import installation
from sandbox.postgres.configuration import PORT

INSTANCE_QUOTA = 40
# AWS's own key for RDS, created at its first use.
_DEFAULT_KEY = "alias/aws/rds"
_SHORTEST_PASSWORD = 8
_DELETABLE = BROKEN | {"available", "stopped", "creating", "backing-up", "modifying", "rebooting"}
_ONLY_IN_THE_CALL = ("db_snapshot_identifier", "apply_immediately", "copy_tags_to_restore")
# Properties that a restored instance always inherits from its snapshot, ...
_FIXED_BY_SNAPSHOT = ("db_name", "engine", "engine_version", "master_username")
# ... and those that it inherits unless the request sets them.
_FROM_SNAPSHOT = (
    *_FIXED_BY_SNAPSHOT,
    "allocated_storage",
    "auto_minor_version_upgrade",
    "availability_zone",
    "backup_retention_period",
    "ca_certificate_identifier",
    "copy_tags_to_snapshot",
    "db_instance_class",
    "iops",
    "license_model",
    "multi_az",
    "port",
    "preferred_backup_window",
    "preferred_maintenance_window",
    "storage_type",
)
# moto would respond with resources that don't exist.
_NOT_OFFERED = {
    "copy_db_snapshot": "copies of snapshots",
    "create_db_instance_read_replica": "read replicas",
    "restore_db_instance_to_point_in_time": "point-in-time recovery",
    "create_db_cluster": "clusters",
    "restore_db_cluster_from_snapshot": "clusters",
    "create_db_proxy": "proxies",
    "create_blue_green_deployment": "blue/green deployments",
}


class DatabaseBackend(RDSBackend):  # type: ignore[misc] # mypy does not follow moto
    """RDS backend that overrides moto's methods.

    Attributes:
        lifecycle: Jobs and servers of this process; they are not part of the saved state.
    """

    lifecycle: ClassVar[Lifecycle]

    @property
    def _url_module(self) -> Any:
        return urls

    def create_db_instance(self, db_kwargs: dict[str, Any]) -> DBInstance:
        """Create an empty instance; it is ``creating`` until its server responds."""
        properties = _new_instance(_set_values(db_kwargs))
        if properties.get("storage_encrypted"):
            properties.setdefault("kms_key_id", self.kms.describe_key(_DEFAULT_KEY).arn)
        return self._register(properties)

    def restore_db_instance_from_db_snapshot(
        self, from_snapshot_id: str, overrides: dict[str, Any]
    ) -> DBInstance:
        """Create an instance with a snapshot's data and master user."""
        snapshot = self._available_snapshot(from_snapshot_id)
        properties = _restored_instance(snapshot, _set_values(overrides))
        return self._register(properties, snapshot.db_snapshot_identifier)

    def _register(self, properties: dict[str, Any], restored_from: str | None = None) -> DBInstance:
        identifier = properties["db_instance_identifier"]
        self._validate_db_identifier(identifier)
        if identifier in self.databases:
            raise DBInstanceAlreadyExists
        group = properties.get("db_subnet_group_name")
        if group and group not in self.subnet_groups:
            raise DBSubnetGroupNotFoundError(group)
        taken = {cast("DBInstance", instance).host for instance in self.databases.values()}
        address = self.lifecycle.servers.free_address(taken, int(properties["port"]))
        if address is None or len(self.databases) >= INSTANCE_QUOTA:
            raise RDSClientError(
                "InstanceQuotaExceeded",
                f"DB Instance quota exceeded: this region may have {INSTANCE_QUOTA} DB instances.",
            )
        instance = DBInstance(self, host=address, **properties)
        instance.restored_from = restored_from
        self.databases[identifier] = instance
        instance.add_event("DB_INSTANCE_CREATE")
        self.lifecycle.create(instance)
        return instance

    def _instance(self, identifier: str, action: str, *states: str) -> DBInstance:
        """Return an instance; its status must allow the action."""
        if identifier not in self.databases:
            raise DBInstanceNotFoundError(identifier)
        instance = cast("DBInstance", self.databases[identifier])
        if instance.status not in states:
            raise RDSClientError(
                "InvalidDBInstanceState",
                f"Instance {identifier} is {instance.status}: it cannot be {action} in this state.",
            )
        return instance

    def modify_db_instance(
        self, db_instance_identifier: str, db_kwargs: dict[str, Any]
    ) -> DBInstance:
        """Change an available instance; only its password is changed on the server."""
        instance = self._instance(db_instance_identifier, "modified", "available")
        changes = {name: value for name, value in db_kwargs.items() if value is not None}
        if changes.pop("new_db_instance_identifier", None):
            raise _not_offered("renaming of instances")
        group = changes.get("db_parameter_group_name")
        if group and group not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(group)
        window = valid_preferred_maintenance_window(
            changes.get("preferred_maintenance_window", instance.preferred_maintenance_window),
            changes.get("preferred_backup_window", instance.preferred_backup_window),
        )
        if window:
            raise _invalid_value(window)
        backed_up = instance.backup_retention_period > 0
        _change_password(instance, changes)
        instance.update(**changes)
        if instance.password_pending:
            instance.status = "resetting-master-credentials"
            self.lifecycle.take_password(instance)
        if not backed_up and instance.backup_retention_period > 0:
            self.take_automated_snapshot(instance.db_instance_identifier)
        return instance

    def delete_db_instance(
        self,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> DBInstance:
        """Start a deletion; the instance exists until its server and folder are deleted."""
        instance = self._instance(db_instance_identifier, "deleted", *_DELETABLE)
        if instance.deletion_protection:
            raise _invalid_combination(
                "Cannot delete protected DB Instance, please disable deletion protection"
                " and try again."
            )
        if not skip_final_snapshot:
            if not final_db_snapshot_identifier:
                raise _invalid_combination(
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
                )
            self._require_new_snapshot(final_db_snapshot_identifier)
            self._instance(
                db_instance_identifier, "copied to a final snapshot", "available", "stopped"
            )
            instance.final_snapshot = final_db_snapshot_identifier
        instance.keeps_backups = delete_automated_backups is False
        instance.status = "deleting"
        self.lifecycle.delete(instance)
        return instance

    def reboot_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """Restart the server with the current parameters of its group."""
        instance = self._instance(db_instance_identifier, "rebooted", "available")
        instance.status = "rebooting"
        self.lifecycle.start(instance, stop_first=True)
        return instance

    def stop_db_instance(
        self, db_instance_identifier: str, db_snapshot_identifier: str | None = None
    ) -> DBInstance:
        """Shut the server down; the data are kept."""
        instance = self._instance(db_instance_identifier, "stopped", "available")
        if db_snapshot_identifier:
            self.create_db_snapshot(db_instance_identifier, db_snapshot_identifier)
        instance.status = "stopping"
        self.lifecycle.stop(instance)
        return instance

    def start_db_instance(self, db_instance_identifier: str) -> DBInstance:
        """Start a stopped instance's server."""
        instance = self._instance(db_instance_identifier, "started", "stopped")
        instance.status = "starting"
        self.lifecycle.start(instance)
        return instance

    def create_db_snapshot(
        self,
        db_instance_identifier: str,
        db_snapshot_identifier: str,
        snapshot_type: str = "manual",
        tags: list[dict[str, str]] | None = None,
        **_: Any,
    ) -> DBSnapshot:
        """Start a snapshot; it is ``creating`` until the copy is complete."""
        instance = self._instance(db_instance_identifier, "copied", "available", "stopped")
        self._require_new_snapshot(db_snapshot_identifier)
        snapshot = self.lifecycle.add_snapshot(
            instance, db_snapshot_identifier, snapshot_type, tags
        )
        self.lifecycle.snapshot(instance, snapshot)
        return snapshot

    def take_automated_snapshot(self, identifier: str) -> tuple[DBSnapshot, Future[None]]:
        """Take the snapshot of AWS's backup window; return it with its copy job."""
        instance = self._instance(identifier, "copied", "available")
        if not instance.backup_retention_period:
            raise _invalid_combination(
                f"{identifier} keeps no automated backups: its BackupRetentionPeriod is 0."
            )
        snapshot = self.lifecycle.add_automated_snapshot(instance)
        return snapshot, self.lifecycle.snapshot(instance, snapshot)

    def delete_db_snapshot(self, db_snapshot_identifier: str) -> DBSnapshot:
        """Delete a snapshot with its data."""
        snapshot = self._available_snapshot(db_snapshot_identifier)
        name = snapshot.db_snapshot_identifier
        if any(cast("DBInstance", it).restored_from == name for it in self.databases.values()):
            raise _wrong_snapshot_state(name, "being restored")
        self.lifecycle.delete_snapshot(name)
        snapshot.status = "deleted"
        return snapshot

    def _available_snapshot(self, identifier: str) -> DBSnapshot:
        if identifier.startswith("arn:"):
            identifier = self.extract_snapshot_name_from_arn(identifier)
        snapshot = cast("DBSnapshot", self.get_db_snapshot(identifier))
        if snapshot.status != "available":
            raise _wrong_snapshot_state(identifier, snapshot.status)
        return snapshot

    def _require_new_snapshot(self, identifier: str) -> None:
        if identifier in self.database_snapshots:
            raise DBSnapshotAlreadyExistsError(identifier)
        if len(self.database_snapshots) >= self.SNAPSHOT_QUOTA:
            raise SnapshotQuotaExceededFault

    def modify_db_subnet_group(self, subnet_name: str, description: str, subnets: Any) -> Any:
        """Change a subnet group; moto's own method loses it."""
        group = super().modify_db_subnet_group(subnet_name, description, subnets)
        self.subnet_groups[subnet_name] = group
        return group


def _set_values(requested: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in requested.items()
        if value is not None and name not in _ONLY_IN_THE_CALL
    }


def _new_instance(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of an empty instance with RDS's defaults."""
    properties["engine_version"] = _engine_version(
        properties.get("engine"), properties.get("engine_version")
    )
    properties.setdefault("port", PORT)
    username = properties.get("master_username")
    if not username:
        raise _invalid_value("The parameter MasterUsername must be provided.")
    if roles.is_reserved(username):
        raise _invalid_value(
            f"MasterUsername {username} cannot be used as it is a reserved word used by the engine"
        )
    managed = properties.get("manage_master_user_password")
    password = properties.get("master_user_password")
    if managed and password:
        raise _invalid_combination(
            "You can't specify MasterUserPassword when ManageMasterUserPassword is true."
        )
    if not managed and not password:
        raise _invalid_value(
            "The parameter MasterUserPassword must be provided and must not be blank."
        )
    if password and len(password) < _SHORTEST_PASSWORD:
        raise _invalid_value(
            "The parameter MasterUserPassword is not a valid password because it is shorter"
            f" than {_SHORTEST_PASSWORD} characters."
        )
    return properties


def _engine_version(engine: str | None, requested: str | None) -> str:
    if engine != "postgres":
        raise _invalid_value(f"Invalid DB engine {engine}: the sandbox runs postgres.")
    try:
        found = installation(requested or "16")
    except SandboxError as error:
        raise _invalid_combination(
            f"Cannot find version {requested} for postgres: {error.why}."
        ) from error
    return requested if requested and "." in requested else found.version


def _restored_instance(snapshot: DBSnapshot, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a restored instance; they must agree with the snapshot."""
    source = snapshot.database
    properties = {name: getattr(source, name) for name in _FROM_SNAPSHOT}
    # moto sets the attribute only if the request has a group.
    group = getattr(source, "db_subnet_group", None)
    if group is not None:
        properties["db_subnet_group_name"] = group.name
    for name in _FIXED_BY_SNAPSHOT:
        if overrides.get(name, properties[name]) != properties[name]:
            raise _invalid_value(
                f"{name} is {properties[name]} in the snapshot, got {overrides[name]}."
            )
    if int(overrides.get("allocated_storage") or snapshot.allocated_storage) < int(
        snapshot.allocated_storage
    ):
        raise _invalid_value(
            "The allocated storage size can't be less than the source snapshot or backup size."
        )
    properties |= overrides
    properties["storage_encrypted"] = snapshot.storage_encrypted
    if snapshot.storage_encrypted:
        properties["kms_key_id"] = snapshot.kms_key_id
    return properties


def _change_password(instance: DBInstance, changes: dict[str, Any]) -> None:
    managed = changes.pop("manage_master_user_password", None)
    kms_key = changes.pop("master_user_secret_kms_key_id", None)
    if managed is False or changes.pop("master_user_password", None):
        raise _not_offered("change from a managed password to another")
    if managed:
        instance.manage_password(kms_key)
    if changes.pop("rotate_master_user_password", None):
        if not changes.get("apply_immediately") or not instance.manage_master_user_password:
            raise _invalid_combination(
                "Rotating the master password needs a managed one, and ApplyImmediately."
            )
        instance.master_user_secret.rotate_secret()
        instance.password_pending = True


def _invalid_combination(message: str) -> RDSClientError:
    return RDSClientError("InvalidParameterCombination", message)


def _invalid_value(message: str) -> RDSClientError:
    return RDSClientError("InvalidParameterValue", message)


def _wrong_snapshot_state(identifier: str, status: str) -> RDSClientError:
    return RDSClientError(
        "InvalidDBSnapshotState", f"Snapshot {identifier} is {status}: expected available."
    )


def _not_offered(what: str) -> RDSClientError:
    return RDSClientError(
        "UnsupportedOperation",
        f"The sandbox's RDS has no {what}: it offers PostgreSQL instances, and snapshots of them.",
    )


def _describe_account_attributes(response: RDSResponse) -> ActionResult:
    """Return the account's quotas, which moto lacks; only that of instances is enforced."""
    used = len(response.backend.databases)
    quota = {"AccountQuotaName": "DBInstances", "Used": used, "Max": INSTANCE_QUOTA}
    return ActionResult({"AccountQuotas": [quota]})


def install(lifecycle: Lifecycle) -> None:
    """Make moto use this class, with these servers, for its RDS backends."""
    DatabaseBackend.lifecycle = lifecycle
    rds_backends.backend = DatabaseBackend
    RDSResponse.describe_account_attributes = _describe_account_attributes
    for operation, what in _NOT_OFFERED.items():

        def refuse(*_: Any, what: str = what, **__: Any) -> NoReturn:
            raise _not_offered(what)

        setattr(DatabaseBackend, operation, refuse)
