from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from sandbox.aws.client import client, is_ready, take_automated_snapshot
from sandbox.aws.identity import database_authority
from sandbox.aws.processes import processes
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.system import end_with_parent
from tests.addresses import free_subnet
from tests.waiting import HANGS, eventually

DATABASE = "app"


@dataclass
class Aws:
    """An emulated account in a process of its own, and what a test does with it."""

    settings: Settings
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it as the supervisor does, and wait until it is ready."""
        [declared] = processes(self.settings)
        environment = {
            **os.environ,
            **declared.env,
            "SANDBOX_HOME": str(self.settings.home),
            "SANDBOX_SUBNET": self.settings.subnet,
        }
        with (self.settings.home / "aws.log").open("ab") as log:
            self.process = subprocess.Popen(
                declared.argv,
                env=environment,
                cwd=PROJECT_ROOT,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - prctl alone
            )
        process = self.process
        eventually(
            lambda: is_ready(self.settings) or process.poll() is not None, "the APIs to answer"
        )
        assert process.poll() is None, self.log()

    def start_if_down(self) -> None:
        """Start it again where a test has ended it."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def log(self) -> str:
        return (self.settings.home / "aws.log").read_text()

    def kill(self) -> None:
        """As ``kill -9``; returns when all that it started has ended."""
        assert self.process
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(family, timeout=15)
        assert alive == []

    def stop(self) -> None:
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(HANGS)

    def client(self, service: str) -> Any:
        return client(self.settings, service)

    @property
    def rds(self) -> Any:
        return self.client("rds")

    def create(self, identifier: str, **options: Any) -> dict[str, Any]:
        """A small instance, available."""
        self.rds.create_db_instance(
            **{
                "DBInstanceIdentifier": identifier,
                "Engine": "postgres",
                "EngineVersion": "16",
                "DBInstanceClass": "db.t4g.micro",
                "AllocatedStorage": 20,
                "DBName": DATABASE,
                "MasterUsername": "dbadmin",
                "ManageMasterUserPassword": True,
                "BackupRetentionPeriod": 0,
                **options,
            }
        )
        return self.available(identifier)

    def restore(self, identifier: str, snapshot: str, **options: Any) -> dict[str, Any]:
        self.rds.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=identifier, DBSnapshotIdentifier=snapshot, **options
        )
        return self.available(identifier)

    def describe(self, identifier: str) -> dict[str, Any] | None:
        try:
            answer = self.rds.describe_db_instances(DBInstanceIdentifier=identifier)
        except self.rds.exceptions.DBInstanceNotFoundFault:
            return None
        [instance] = answer["DBInstances"]
        return dict(instance)

    def status(self, identifier: str) -> str | None:
        instance = self.describe(identifier)
        return instance and instance["DBInstanceStatus"]

    def available(self, identifier: str) -> dict[str, Any]:
        eventually(lambda: self.status(identifier) == "available", f"{identifier} to be available")
        instance = self.describe(identifier)
        assert instance
        return instance

    def delete(self, identifier: str, **options: Any) -> None:
        options = options or {"SkipFinalSnapshot": True}
        self.rds.delete_db_instance(DBInstanceIdentifier=identifier, **options)
        eventually(lambda: self.status(identifier) is None, f"{identifier} to be gone")

    def master(self, identifier: str) -> dict[str, str]:
        """Return the content of the instance's secret."""
        instance = self.describe(identifier)
        assert instance
        arn = instance["MasterUserSecret"]["SecretArn"]
        secret = self.client("secretsmanager").get_secret_value(SecretId=arn)
        return dict(json.loads(secret["SecretString"]))

    def connect(self, identifier: str, **options: Any) -> Connection:
        """As the master user, checking the server's certificate."""
        instance = self.describe(identifier)
        assert instance
        if "password" not in options:
            master = self.master(identifier)
            options |= {"user": master["username"], "password": master["password"]}
        opened = psycopg2.connect(
            **{
                "host": instance["Endpoint"]["Address"],
                "port": instance["Endpoint"]["Port"],
                "dbname": DATABASE,
                "sslmode": "verify-full",
                "sslrootcert": str(database_authority(self.settings)),
                **options,
            }
        )
        opened.autocommit = True
        return opened

    def query(self, identifier: str, text: str) -> list[tuple[Any, ...]]:
        connection = self.connect(identifier)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def folders(self) -> list[str]:
        """Data folders of instances and snapshots."""
        return sorted(
            f"{kind}/{path.name}"
            for kind in ("rds", "snapshots")
            for path in (self.settings.home / kind).iterdir()
        )

    def servers(self) -> list[psutil.Process]:
        """The PostgreSQL servers that run."""
        assert self.process
        return psutil.Process(self.process.pid).children()


def free_settings(home: Path) -> Settings:
    return Settings(home=home, subnet=free_subnet())


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """One account for the tests of a module; each uses names of its own."""
    running = Aws(free_settings(tmp_path_factory.mktemp("sandbox")))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def staging(aws: Aws) -> str:
    """An instance with backups and rows."""
    aws.create("staging", BackupRetentionPeriod=3, Tags=[{"Key": "stack", "Value": "staging"}])
    aws.query("staging", "CREATE TABLE item AS SELECT generate_series(1, 1000) AS n")
    return "staging"


@pytest.fixture(scope="module")
def snapshot(aws: Aws, staging: str) -> str:
    return take_automated_snapshot(aws.settings, staging)
