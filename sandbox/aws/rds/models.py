"""RDS resources as the API shows them, with what the sandbox has to know beyond moto."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow
from moto.rds import models as moto
from moto.rds.models import RDSBackend

from sandbox.aws.rds.servers import Machine
from sandbox.postgres.configuration import max_connections

# Statuses of AmazonRDS/latest/UserGuide/accessing-monitoring.html in which a
# server should be running.
RUNNING = frozenset(
    {"available", "backing-up", "modifying", "rebooting", "resetting-master-credentials"}
)
BROKEN = frozenset({"failed", "storage-full", "incompatible-network"})


class ManagedSecret(moto.MasterUserSecret):  # type: ignore[misc] # mypy does not follow moto
    """The master user's secret, with a password that the server really takes."""

    resource: DBInstance

    def _generate_secret_string(self) -> str:
        return json.dumps({"username": self.resource.master_username, "password": new_password()})

    @property
    def secret_status(self) -> str:
        """``creating`` until the server takes the password."""
        return "creating" if self.resource.password_pending else "active"

    @property
    def password(self) -> str:
        """The password in the secret's current version."""
        value = self.secretsmanager.get_secret_value(
            secret_id=self.secret.arn, version_id="", version_stage="AWSCURRENT"
        )
        return str(json.loads(value["SecretString"])["password"])

    def rotate_secret(self) -> None:
        """A new version with a new password; the caller has the server take it."""
        self.secretsmanager.put_secret_value(
            secret_id=self.secret.arn,
            secret_string=self._generate_secret_string(),
            secret_binary="",
            client_request_token="",
            version_stages=["AWSCURRENT"],
        )


class DBInstance(moto.DBInstance):  # type: ignore[misc] # as above
    """An instance with a server behind it.

    Attributes:
        host: Loopback address of the server.
        restored_from: The snapshot whose data it gets, while it is being restored.
        password_pending: Whether the server has yet to take ``wanted_password``.
        final_snapshot: Snapshot to take before the deletion that is under way.
        keeps_backups: Whether that deletion leaves the automated backups.
    """

    def __init__(self, backend: RDSBackend, *, host: str, **properties: Any) -> None:
        """Register an instance that is being created.

        Args:
            backend: Where it belongs.
            host: Loopback address for its server.
            properties: As RDS names them, in snake case.
        """
        self.manage_master_user_password = False
        managed = bool(properties.pop("manage_master_user_password", False))
        kms_key = properties.pop("master_user_secret_kms_key_id", None)
        password = properties.pop("master_user_password", None)
        super().__init__(backend, **properties)
        self.status = "creating"
        self.host = host
        self.dbi_resource_id = "db-" + base64.b32encode(secrets.token_bytes(16)).decode()[:26]
        self.restored_from: str | None = None
        self.final_snapshot: str | None = None
        self.keeps_backups = False
        self.password_pending = False
        self._wanted_password: str | None = None
        if managed:
            self.manage_password(kms_key)
        elif password:
            self._wanted_password = password
            self.password_pending = True

    @property
    def address(self) -> str:
        """The host that clients connect to."""
        return self.host

    @property
    def endpoint(self) -> dict[str, Any] | None:
        """As on AWS, there is none until the instance has been available once."""
        if self.status == "creating":
            return None
        return {"Address": self.host, "Port": self.port, "HostedZoneId": "Z2R2ITUGPM61AM"}

    @property
    def machine(self) -> Machine:
        """What the servers has to know."""
        return Machine(
            identifier=self.db_instance_identifier,
            address=self.host,
            port=int(self.port),
            engine_version=self.engine_version,
            parameters=self._parameters(),
        )

    def _parameters(self) -> dict[str, str]:
        given = {
            name: str(parameter["ParameterValue"])
            for group in self.db_parameter_groups()
            for name, parameter in group.parameters.items()
            if "ParameterValue" in parameter
        }
        return {"max_connections": max_connections(self.db_instance_class), **given}

    def manage_password(self, kms_key: str | None) -> None:
        """Keep the master password in a secret from now on; nothing changes when it is already."""
        if not self.manage_master_user_password:
            self.master_user_secret = ManagedSecret(self, kms_key)
            self.manage_master_user_password = True
            self.password_pending = True

    def unmanage_password(self) -> None:
        """Remove the secret; the password stays what it was."""
        if self.manage_master_user_password:
            self.master_user_secret.delete_secret()
            del self.master_user_secret
            self.manage_master_user_password = False

    @property
    def wanted_password(self) -> str | None:
        """What the server has to take, while ``password_pending``."""
        if self.manage_master_user_password:
            return str(self.master_user_secret.password)
        return self._wanted_password

    def password_taken(self) -> None:
        """The server has it: forget a password that is in no secret."""
        self.password_pending = False
        self._wanted_password = None

    def save_automated_backup(self) -> None:
        """Nothing: the first backup is taken when the server has started."""


class DBSnapshot(moto.DBSnapshot):  # type: ignore[misc] # as above
    """A snapshot with a copy of the data behind it."""

    database: DBInstance

    def __init__(
        self, backend: RDSBackend, database: DBInstance, snapshot_id: str, **properties: Any
    ) -> None:
        """Register a snapshot whose copy is yet to be made."""
        super().__init__(backend, database, snapshot_id, **properties)
        self.status = "creating"
        # It inherits the master user's password with the data, but not the secret.
        self.database.__dict__.pop("master_user_secret", None)
        self.database.manage_master_user_password = False

    @property
    def percent_progress(self) -> int:
        """All or nothing."""
        return 100 if self.status == "available" else 0

    def finished(self, at: datetime | None = None) -> None:
        """The copy is whole."""
        self.status = "available"
        self.created = at or utcnow()
        self.original_snapshot_create_time = self.created


def new_password() -> str:
    """A random password without what RDS excludes from its own: / @ " and space."""
    return secrets.token_urlsafe(24)
