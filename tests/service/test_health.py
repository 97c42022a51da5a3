from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from psycopg2 import errors as pg
from sqlalchemy.exc import DBAPIError, OperationalError

from service.app import create_app
from service.database.deadline import DeadlineExceededError
from service.database.errors import as_problem, reason
from service.settings import BuildInformation, ConfigurationError, DatabaseSettings, Settings, load

if TYPE_CHECKING:
    from fastapi import FastAPI


def test_with_its_database_it_is_well(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok", "api": "ok", "database": "ok"}
    assert client.get("/health/ready").status_code == 200
    assert client.get("/health/live").json() == {"status": "ok"}


def test_without_it_the_process_starts_and_says_why() -> None:
    nowhere = DatabaseSettings(
        host="127.0.0.1", port=1, name="shop", user="app", password="hunter2-secret"
    )
    with TestClient(create_app(Settings(), nowhere)) as client:
        assert client.get("/health/live").status_code == 200
        for path in ("/health", "/health/ready"):
            response = client.get(path)
            assert response.status_code == 503
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["database"] == "connection_refused"
            assert "hunter2" not in response.text
            assert "127.0.0.1" not in response.text
        response = client.get("/customers")
        assert response.status_code == 503
        assert response.json()["type"] == "/problems/database-unavailable"
        assert int(response.headers["retry-after"]) > 0


def test_while_it_stops_it_is_alive_and_not_ready(app: FastAPI, client: TestClient) -> None:
    app.state.draining.set()
    assert client.get("/health/live").status_code == 200
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert (response.json()["api"], response.json()["database"]) == ("draining", "ok")
    assert client.get("/customers").status_code == 200


def test_it_says_what_is_running(client: TestClient) -> None:
    assert client.get("/version").json() == {
        "commit": "c0ffee",
        "pull_request": 42,
        "snapshot": "rds:staging-1",
        "environment": "development",
    }


def test_the_start_says_where_things_are(client: TestClient) -> None:
    found = client.get("/").json()
    for link in found["links"].values():
        assert client.get(link).status_code == 200


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PULL_REQUEST", "")
    monkeypatch.setenv("APP_SNAPSHOT", "")
    build = load(BuildInformation)
    assert (build.pull_request, build.snapshot) == (None, None)
    monkeypatch.setenv("APP_PULL_REQUEST", "x")
    with pytest.raises(ConfigurationError, match="APP_PULL_REQUEST: "):
        load(BuildInformation)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("connection to server failed: Connection refused", "connection_refused"),
        ('could not translate host name "db" to address', "name_not_resolved"),
        ('FATAL: password authentication failed for user "app"', "authentication_failed"),
        ('FATAL: no pg_hba.conf entry for host "10.0.0.1", no encryption', "authentication_failed"),
        ('FATAL: database "shop" does not exist', "database_missing"),
        ("SSL error: certificate verify failed", "tls_failed"),
        ("server does not support SSL, but SSL was required", "tls_failed"),
        ("timeout expired", "timeout"),
        ("FATAL: sorry, too many clients already", "too_many_connections"),
        ("FATAL: the database system is starting up", "starting_up"),
        ("FATAL: the database system is shutting down", "shutting_down"),
        ("server closed the connection unexpectedly", "connection_lost"),
        ("something new", "unavailable"),
    ],
)
def test_a_reason_is_a_class_and_no_detail(message: str, expected: str) -> None:
    assert reason(OperationalError("SELECT 1", None, pg.OperationalError(message))) == expected


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (pg.QueryCanceled(), "database-slow"),
        (DeadlineExceededError(), "database-slow"),
        (pg.LockNotAvailable(), "database-locked"),
        (pg.DeadlockDetected(), "database-locked"),
        (pg.SerializationFailure(), "database-locked"),
        (pg.TooManyConnections(), "database-busy"),
        (pg.AdminShutdown(), "database-unavailable"),
        (pg.InterfaceError(), "database-unavailable"),
        (pg.OperationalError("gone"), "database-unavailable"),
        (pg.UndefinedTable(), None),
        (pg.NotNullViolation(), None),
    ],
)
def test_a_failure_of_the_database_is_told_by_kind(cause: Exception, kind: str | None) -> None:
    problem = as_problem(DBAPIError("SELECT 1", None, cause))  # type: ignore[arg-type]
    assert (problem and problem.kind) == kind
    if problem is not None:
        assert problem.status == 503
        assert problem.headers["Retry-After"]


@pytest.mark.parametrize("cause", [pg.QueryCanceled(), DeadlineExceededError()])
def test_silence_is_a_timeout(cause: Exception) -> None:
    assert reason(DBAPIError("SELECT 1", None, cause)) == "timeout"  # type: ignore[arg-type]
