"""RDS resources of the API, with further attributes for the sandbox."""

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

# Statuses in which a server should run: AmazonRDS/latest/UserGuide/accessing-monitoring.html
RUNNING = frozenset(
    {"available", "backing-up", "modifying", "rebooting", "resetting-master-credentials"}
)
BROKEN = frozenset({"failed", "storage-full", "incompatible-network"})


class ManagedSecret(moto.MasterUserSecret):  # type: ignore[misc] # mypy does not follow moto
    """The master user's secret, with the password that is set on the server."""

    resource: DBInstance

    def _generate_secret_string(self) -> str:
        return json.dumps({"username": self.resource.master_username, "password": new_password()})

    @property
    def secret_status(self) -> str:
        """Status: ``creating`` until the password is set on the server."""
        return "creating" if self.resource.password_pending else "active"

    @property
    def password(self) -> str:
        """Password in the secret's current version."""
        value = self.secretsmanager.get_secret_value(
            secret_id=self.secret.arn, version_id="", version_stage="AWSCURRENT"
        )
        return str(json.loads(value["SecretString"])["password"])

    def rotate_secret(self) -> None:
        """Add a version with a new password; the caller sets it on the server."""
        self.secretsmanager.put_secret_value(
            secret_id=self.secret.arn,
            secret_string=self._generate_secret_string(),
            secret_binary="",
            client_request_token="",
            version_stages=["AWSCURRENT"],
        )


class DBInstance(moto.DBInstance):  # type: ignore[misc] # as above
    """An instance with a server.

    Attributes:
        host: Loopback address of the server.
        restored_from: Snapshot of its data, while it is being restored.
        password_pending: True until ``wanted_password`` is set on the server.
        final_snapshot: Snapshot to take before the deletion in progress.
        keeps_backups: True if that deletion keeps the automated backups.
    """

    def __init__(self, backend: RDSBackend, *, host: str, **properties: Any) -> None:
        """Register an instance that is being created.

        Args:
            backend: Backend that it belongs to.
            host: Loopback address of its server.
            properties: Properties by RDS's names in snake case.
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
        """Host for clients."""
        return self.host

    @property
    def endpoint(self) -> dict[str, Any] | None:
        """Endpoint; as on AWS, None until the instance has been available once."""
        if self.status == "creating":
            return None
        return {"Address": self.host, "Port": self.port, "HostedZoneId": "Z2R2ITUGPM61AM"}

    @property
    def machine(self) -> Machine:
        """Specification of its server."""
        return Machine(
            identifier=self.db_instance_identifier,
            address=self.host,
            port=int(self.port),
            engine_version=self.engine_version,
            parameters=self._parameters(),
        )

    def _parameters(self) -> dict[str, str]:
        overrides = {
            name: str(parameter["ParameterValue"])
            for group in self.db_parameter_groups()
            for name, parameter in group.parameters.items()
            if "ParameterValue" in parameter
        }
        return {"max_connections": max_connections(self.db_instance_class), **overrides}

    def manage_password(self, kms_key: str | None) -> None:
        """Keep the master password in a secret from now on, if it is not yet."""
        if not self.manage_master_user_password:
            self.master_user_secret = ManagedSecret(self, kms_key)
            self.manage_master_user_password = True
            self.password_pending = True

    def unmanage_password(self) -> None:
        """Delete the secret; the password does not change."""
        if self.manage_master_user_password:
            self.master_user_secret.delete_secret()
            del self.master_user_secret
            self.manage_master_user_password = False

    @property
    def wanted_password(self) -> str | None:
        """Password to set on the server, while ``password_pending``."""
        if self.manage_master_user_password:
            return str(self.master_user_secret.password)
        return self._wanted_password

    def password_taken(self) -> None:
        """Record that the password is set; one that is in no secret is deleted."""
        self.password_pending = False
        self._wanted_password = None

    def save_automated_backup(self) -> None:
        """Do nothing: the first backup is taken when the server has started."""


class DBSnapshot(moto.DBSnapshot):  # type: ignore[misc] # as above
    """A snapshot with a copy of the data."""

    database: DBInstance

    def __init__(
        self, backend: RDSBackend, database: DBInstance, snapshot_id: str, **properties: Any
    ) -> None:
        """Register a snapshot without its copy."""
        super().__init__(backend, database, snapshot_id, **properties)
        self.status = "creating"
        # The data contain the master user's password, but the secret is not copied.
        self.database.__dict__.pop("master_user_secret", None)
        self.database.manage_master_user_password = False

    @property
    def percent_progress(self) -> int:
        """Progress: 0 or 100."""
        return 100 if self.status == "available" else 0

    def finished(self, at: datetime | None = None) -> None:
        """Record that the copy is complete."""
        self.status = "available"
        self.created = at or utcnow()
        self.original_snapshot_create_time = self.created


def new_password() -> str:
    """Return a random password without the characters that RDS excludes: / @ " and space."""
    return secrets.token_urlsafe(24)
