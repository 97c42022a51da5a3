"""Staging's data: from which of an app's sources, run as whom."""

from __future__ import annotations

import base64
import configparser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from contract.app.model import App
from contract.stack_name import StackName
from sandbox import filling
from sandbox.errors import SandboxError
from sandbox.settings import Settings

STAGING = StackName.parse("staging")
MIGRATES = {
    "containers": [{"name": "migrate", "image": "app@sha256:1", "args": ["x"], "env": []}],
    "restartPolicy": "Never",
}
SERVES = {
    "containers": [
        {
            "name": "service",
            "image": "app@sha256:1",
            "env": [{"name": "A", "value": "1"}],
            "ports": [{}],
            "lifecycle": {},
            "readinessProbe": {},
        }
    ],
    "restartPolicy": "Always",
    "topologySpreadConstraints": [],
}


class Cluster:
    """What kubectl answers and is given."""

    def __init__(self, *, ends: str = "Complete", migrates: bool = True) -> None:
        self.ends = ends
        self.migrates = migrates
        self.applied: list[dict[str, Any]] = []
        self.verbs: list[str] = []

    def kubectl(self, _: Settings, *arguments: str, document: dict[str, Any] | None = None) -> str:
        self.verbs.append(arguments[0])
        if document is not None:
            self.applied.append(document)
        return "Traceback: no such table" if arguments[0] == "logs" else ""

    def read(self, _: Settings, what: str, *__: str) -> dict[str, Any]:
        if what == "jobs":
            return {"items": [{"spec": {"template": {"spec": MIGRATES}}}] if self.migrates else []}
        if what.startswith("deployment/"):
            return {"spec": {"template": {"spec": SERVES}}}
        if what.startswith("secret/"):
            login = {"username": "service_migrator", "password": "only-for-tests"}
            data = {key: base64.b64encode(text.encode()).decode() for key, text in login.items()}
            return {"data": data}
        return {"status": {"conditions": [{"type": self.ends, "status": "True"}]}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", seed_rows=12)


def fill(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, cluster: Cluster, app: dict[str, Any]
) -> None:
    monkeypatch.setattr(filling, "kubectl", cluster.kubectl)
    monkeypatch.setattr(filling, "read", cluster.read)
    settings.home.mkdir(parents=True, exist_ok=True)
    filling.fill(settings, STAGING, App.model_validate(app), settings.home, Console(quiet=True))


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ({"sandbox": {"staging": {"command": "make rows"}}}, ["make", "rows"]),
        ({"hooks": {"seed": "python -m app.seed"}}, ["python", "-m", "app.seed"]),
        (
            {"hooks": {"seed": "seed"}, "sandbox": {"staging": {"command": "rows"}}},
            ["rows"],
        ),
    ],
)
def test_a_command_runs_as_the_migrations_do(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, app: dict[str, Any], command: list[str]
) -> None:
    cluster = Cluster()
    fill(monkeypatch, settings, cluster, app)
    (job,) = cluster.applied
    (only,) = job["spec"]["template"]["spec"]["containers"]
    assert only["command"] == command
    assert "args" not in only
    assert only["env"] == [
        {"name": "SEED_ROWS", "value": "12"},
        {"name": "SEED_CANARIES", "value": "true"},
    ]
    assert filling.ended(settings, STAGING).endswith("Z")


def test_without_migrations_it_runs_as_the_service_does(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    cluster = Cluster(migrates=False)
    fill(monkeypatch, settings, cluster, {"hooks": {"seed": "seed"}})
    pod = cluster.applied[0]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (only,) = pod["containers"]
    assert set(only) == {"name", "image", "env", "command"}
    assert only["env"][0] == {"name": "A", "value": "1"}


def test_an_app_that_names_nothing_stays_as_its_migrations_leave_it(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    cluster = Cluster()
    fill(monkeypatch, settings, cluster, {})
    assert cluster.applied == []
    assert filling.ended(settings, STAGING)


def test_a_command_that_fails_is_told_with_its_log(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with pytest.raises(SandboxError, match=r"make rows failed.*no such table"):
        fill(
            monkeypatch,
            settings,
            Cluster(ends="Failed"),
            {"sandbox": {"staging": {"command": "make rows"}}},
        )
    assert not filling._filled(settings, STAGING).exists()


def test_a_corrected_command_replaces_the_one_that_failed(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A Job can't be changed."""
    cluster = Cluster()
    fill(monkeypatch, settings, cluster, {"hooks": {"seed": {"command": ["python", "seed.py"]}}})
    assert cluster.verbs[:2] == ["delete", "apply"]


def test_a_file_that_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    with pytest.raises(SandboxError, match="there is no such file"):
        fill(monkeypatch, settings, Cluster(), {"sandbox": {"staging": {"sql": "none.sql"}}})


@pytest.mark.parametrize(
    ("key", "program", "option"),
    [("sql", "psql", "--single-transaction"), ("dump", "pg_restore", "--no-owner")],
)
def test_sql_and_a_dump_are_read_as_the_role_that_owns_the_schema(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, key: str, program: str, option: str
) -> None:
    clients = settings.home / "clients"
    clients.mkdir(parents=True)
    client = clients / program
    client.write_text(
        f'#!/bin/sh\necho "$@" > {clients}/arguments\ncat "$PGSERVICEFILE" > {clients}/service\n'
    )
    client.chmod(0o755)
    monkeypatch.setattr(filling, "client_folder", lambda: clients)

    def write_services(_: Settings) -> None:
        filling.write_atomically(
            filling.psql.service_file(settings),
            "[staging]\nhost=/run\nport=5432\ndbname=service\nuser=master\npassword=p%q\n",
        )

    monkeypatch.setattr(filling.psql, "write_services", write_services)
    (settings.home / "data").write_text("x")
    fill(monkeypatch, settings, Cluster(), {"sandbox": {"staging": {key: "data"}}})
    arguments = (clients / "arguments").read_text()
    assert option in arguments
    assert "only-for-tests" not in arguments
    service = configparser.ConfigParser(interpolation=None)
    service.read(clients / "service")
    assert dict(service["staging"]) == {
        "host": "/run",
        "port": "5432",
        "dbname": "service",
        "user": "service_migrator",
        "password": "only-for-tests",
        "sslmode": "prefer",
    }
    assert not (settings.home / "psql" / "filling.conf").exists()
