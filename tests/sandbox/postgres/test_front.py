from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from sandbox.errors import SandboxError
from sandbox.postgres.front import Endpoint, Front
from sandbox.postgres.server import Server
from tests.sandbox.postgres.conftest import MASTER, PASSWORD, connect

pytestmark = pytest.mark.sandbox


def test_a_client_that_verifies_the_certificate_gets_in(
    endpoint: Endpoint, authority: Path
) -> None:
    with connect(endpoint, authority) as connection:
        assert connection.info.ssl_in_use


def test_a_client_without_tls_is_refused_as_on_rds(endpoint: Endpoint, authority: Path) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry .* no encryption"):
        connect(endpoint, authority, sslmode="disable")


def test_a_wrong_password_is_refused(endpoint: Endpoint, authority: Path) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(endpoint, authority, password="wrong")


def test_the_administrator_has_no_password_that_a_client_could_know(
    endpoint: Endpoint, authority: Path
) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(endpoint, authority, user="rdsadmin", password=PASSWORD)


def test_the_master_user_is_no_superuser_but_may_make_roles(
    endpoint: Endpoint, authority: Path
) -> None:
    with connect(endpoint, authority) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb,"
            " pg_has_role(rolname, 'rds_superuser', 'MEMBER'),"
            " pg_has_role(rolname, 'pg_read_all_data', 'USAGE')"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchall() == [(False, True, True, True, True)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("COPY pg_class TO PROGRAM 'cat'")


def test_passwords_are_kept_as_scram_verifiers_and_in_no_log(server: Server) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [MASTER])
        [(verifier,)] = cursor.fetchall()
    assert verifier.startswith("SCRAM-SHA-256$")
    assert PASSWORD not in server.folder.log.read_text()


def test_much_data_passes_both_ways(endpoint: Endpoint, authority: Path) -> None:
    text = "0123456789" * 500_000
    with connect(endpoint, authority) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", [text])
        assert cursor.fetchall() == [(text,)]


def test_a_query_can_be_cancelled(endpoint: Endpoint, authority: Path) -> None:
    """In a process of its own: libpq's cancel blocks the thread that would carry it."""
    script = f"""
import psycopg2, threading

connection = psycopg2.connect(
    host={endpoint.address!r}, user={MASTER!r}, password={PASSWORD!r}, dbname="app",
    sslmode="require")
with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
    threading.Timer(0.1, connection.cancel).start()
    cursor.execute("SELECT pg_sleep(60)")
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert "QueryCanceled" in answer.stderr


def test_while_the_server_is_away_clients_are_told_so(
    server: Server, endpoint: Endpoint, authority: Path
) -> None:
    server.stop()
    try:
        with pytest.raises(psycopg2.OperationalError, match="starting up"):
            connect(endpoint, authority)
    finally:
        server.start()
    connect(endpoint, authority).close()


def test_an_address_in_use_is_named(endpoint: Endpoint) -> None:
    with pytest.raises(SandboxError, match=f"{endpoint.address}:5432") as refused:
        Front().open(endpoint)

    assert "Address already in use" in refused.value.why
    assert "SANDBOX_SUBNET" in refused.value.remedy


def test_closing_hangs_up(server: Server, endpoint: Endpoint, authority: Path) -> None:
    front = Front()
    other = Endpoint(endpoint.address, 15432, server.folder)
    front.open(other)
    connection = connect(other, authority)

    front.close(other)

    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connect(other, authority)
