"""Connection services, so that ``psql service=pr-42`` needs no password typed or shown."""

from __future__ import annotations

import configparser
import io
import json
from dataclasses import dataclass

from sandbox.aws.client import client
from sandbox.processes import write_atomically
from sandbox.settings import Settings


@dataclass(frozen=True)
class _Service:
    name: str
    host: str
    port: int
    database: str
    user: str
    password: str


def write_services(settings: Settings) -> None:
    """Write libpq's service and password files for every RDS instance that is available."""
    services = _services(settings)
    parser = configparser.ConfigParser()
    for service in services:
        parser[service.name] = {
            "host": service.host,
            "port": str(service.port),
            "dbname": service.database,
            "user": service.user,
            "sslmode": "require",
        }
    text = io.StringIO()
    parser.write(text, space_around_delimiters=False)
    folder = settings.home / "psql"
    write_atomically(folder / "services.conf", text.getvalue())
    passwords = [f"{s.host}:{s.port}:*:{s.user}:{s.password}\n" for s in services]
    write_atomically(folder / "passwords", "".join(passwords), mode=0o600)


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
                instance["Endpoint"]["Address"],
                instance["Endpoint"]["Port"],
                instance["DBName"],
                secret["username"],
                secret["password"],
            )
        )
    return services
