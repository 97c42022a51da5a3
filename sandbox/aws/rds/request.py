"""What a create or restore request asks for, completed as RDS completes it."""

from __future__ import annotations

from typing import Any

from sandbox.aws.rds import errors
from sandbox.aws.rds.models import DBSnapshot
from sandbox.errors import SandboxError
from sandbox.postgres import roles
from sandbox.postgres.binaries import installation
from sandbox.postgres.configuration import PORT

_SHORTEST_PASSWORD = 8
_ONLY_IN_THE_CALL = ("db_snapshot_identifier", "apply_immediately", "copy_tags_to_restore")

# What a restored instance has from its snapshot unless the request says otherwise.
_FROM_SNAPSHOT = (
    "allocated_storage",
    "auto_minor_version_upgrade",
    "availability_zone",
    "backup_retention_period",
    "ca_certificate_identifier",
    "copy_tags_to_snapshot",
    "db_instance_class",
    "db_name",
    "engine",
    "engine_version",
    "iops",
    "license_model",
    "master_username",
    "multi_az",
    "port",
    "preferred_backup_window",
    "preferred_maintenance_window",
    "storage_type",
)
# What it always has from its snapshot.
_FIXED_BY_SNAPSHOT = ("db_name", "engine", "engine_version", "master_username")


def new_instance(asked: dict[str, Any]) -> dict[str, Any]:
    """The properties of an empty instance.

    Raises:
        RDSClientError: When something is missing or is not accepted.
    """
    properties = _given(asked)
    properties["engine_version"] = _engine_version(
        properties.get("engine"), properties.get("engine_version")
    )
    properties.setdefault("port", PORT)
    username = properties.get("master_username")
    if not username:
        raise errors.invalid_value("The parameter MasterUsername must be provided.")
    if roles.is_reserved(username):
        raise errors.invalid_value(
            f"MasterUsername {username} cannot be used as it is a reserved word used by the engine"
        )
    _require_password(properties)
    return properties


def restored_instance(snapshot: DBSnapshot, asked: dict[str, Any]) -> dict[str, Any]:
    """The properties of an instance restored from a snapshot.

    Raises:
        RDSClientError: When the request contradicts the snapshot.
    """
    given = _given(asked)
    source = snapshot.database
    properties = {name: getattr(source, name) for name in _FROM_SNAPSHOT}
    # moto has the attribute only where a group was named.
    group = getattr(source, "db_subnet_group", None)
    if group is not None:
        properties["db_subnet_group_name"] = group.name
    for name in _FIXED_BY_SNAPSHOT:
        if given.get(name, properties[name]) != properties[name]:
            raise errors.invalid_value(
                f"{name} is {properties[name]} in the snapshot, got {given[name]}."
            )
    if int(given.get("allocated_storage") or snapshot.allocated_storage) < int(
        snapshot.allocated_storage
    ):
        raise errors.invalid_value(
            "The allocated storage size can't be less than the source snapshot or backup size."
        )
    properties |= given
    properties["storage_encrypted"] = snapshot.storage_encrypted
    if snapshot.storage_encrypted:
        properties["kms_key_id"] = snapshot.kms_key_id
    return properties


def _given(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in asked.items()
        if value is not None and name not in _ONLY_IN_THE_CALL
    }


def _engine_version(engine: str | None, asked: str | None) -> str:
    if engine != "postgres":
        raise errors.invalid_value(f"Invalid DB engine {engine}: the sandbox runs postgres.")
    try:
        found = installation(asked or "16")
    except SandboxError as error:
        raise errors.invalid_combination(
            f"Cannot find version {asked} for postgres: {error.why}."
        ) from error
    return asked if asked and "." in asked else found.version


def _require_password(properties: dict[str, Any]) -> None:
    managed = properties.get("manage_master_user_password")
    password = properties.get("master_user_password")
    if managed and password:
        raise errors.invalid_combination(
            "You can't specify MasterUserPassword when ManageMasterUserPassword is true."
        )
    if not managed and not password:
        raise errors.invalid_value(
            "The parameter MasterUserPassword must be provided and must not be blank."
        )
    if password and len(password) < _SHORTEST_PASSWORD:
        raise errors.invalid_value(
            "The parameter MasterUserPassword is not a valid password because it is shorter"
            f" than {_SHORTEST_PASSWORD} characters."
        )
