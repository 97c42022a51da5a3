"""Connection services, so that ``psql service=pr-42`` needs no password.

They use the server's Unix socket where its path is short enough: the psql that comes with
the sandbox has no TLS, which the server requires on its address.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandbox import branches
from sandbox.aws.client import client
from sandbox.kubectl import read
from sandbox.postgres.folder import LONGEST_SOCKET_PATH, InstanceFolder
from sandbox.settings import Settings
from sandbox.system import write_atomically


@dataclass(frozen=True)
class _Service:
    name: str
    host: str
    port: int
    database: str
    user: str
    password: str


def write_services(settings: Settings) -> None:
    """Write libpq's service file for every RDS instance that is available."""
    sections = (
        f"[{s.name}]\nhost={s.host}\nport={s.port}\ndbname={s.database}\n"
        f"user={s.user}\npassword={s.password}\n"
        for s in _services(settings)
    )
    write_atomically(service_file(settings), "\n".join(sections), mode=0o600)


def service_file(settings: Settings) -> Path:
    """Return the path of libpq's service file (``PGSERVICEFILE``)."""
    return settings.home / "psql" / "services.conf"


def _services(settings: Settings) -> list[_Service]:
    rds, secrets = client(settings, "rds"), client(settings, "secretsmanager")
    services = []
    for instance in rds.describe_db_instances()["DBInstances"]:
        if instance["DBInstanceStatus"] != "available" or "MasterUserSecret" not in instance:
            continue
        arn = instance["MasterUserSecret"]["SecretArn"]
        secret = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        services.append(
            _Service(
                instance["DBInstanceIdentifier"],
                _host(settings, instance),
                instance["Endpoint"]["Port"],
                instance["DBName"],
                secret["username"],
                secret["password"],
            )
        )
    return [*services, *_branches(settings, {service.name: service for service in services})]


def _branches(settings: Settings, servers: dict[str, _Service]) -> list[_Service]:
    """Return the databases of mode ``branch``, each with its server's master user."""
    if not branches.is_ready(settings):
        return []
    claims = read(settings, "databasebranches", "--all-namespaces")
    return [
        replace(
            servers[claim["status"]["generation"]],
            name=claim["metadata"]["namespace"],
            database=claim["status"]["database"],
        )
        for claim in claims["items"]
        if "database" in claim.get("status", {}) and claim["status"]["generation"] in servers
    ]


def _host(settings: Settings, instance: dict[str, Any]) -> str:
    folder = InstanceFolder(settings.home / "rds" / instance["DBInstanceIdentifier"])
    if len(os.fsencode(folder.socket(instance["Endpoint"]["Port"]))) <= LONGEST_SOCKET_PATH:
        return str(folder.run)
    return str(instance["Endpoint"]["Address"])
