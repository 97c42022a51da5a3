from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from previews.diagnosis.failure_patterns import most_likely
from sandbox.errors import SandboxError
from sandbox.postgres import roles
from sandbox.postgres.binaries import MAJORS, installation
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.server import PORT, Server
from tests.addresses import free_address
from tests.sandbox.postgres.conftest import MASTER, PASSWORD, certify, connect
from tests.waiting import HANGS, eventually

pytestmark = pytest.mark.sandbox


def test_a_client_that_verifies_the_certificate_gets_in(server: Server, authority: Path) -> None:
    with connect(server, authority) as connection:
        assert connection.info.ssl_in_use


def test_a_client_without_tls_is_refused_as_on_rds(server: Server, authority: Path) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry .* no encryption"):
        connect(server, authority, sslmode="disable")


def test_a_wrong_password_is_refused(server: Server, authority: Path) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(server, authority, password="wrong")


def test_the_administrator_has_no_password_that_a_client_could_know(
    server: Server, authority: Path
) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(server, authority, user="rdsadmin", password=PASSWORD)


def test_the_master_user_is_no_superuser_but_may_make_roles(
    server: Server, authority: Path
) -> None:
    with connect(server, authority) as connection, connection.cursor() as cursor:
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


def test_much_data_passes_both_ways(server: Server, authority: Path) -> None:
    text = "0123456789" * 500_000
    with connect(server, authority) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", [text])
        assert cursor.fetchall() == [(text,)]


def test_a_query_can_be_cancelled(server: Server, authority: Path) -> None:
    """In a process of its own: libpq's cancel blocks the thread that would carry it."""
    script = f"""
import psycopg2, sys, threading

connection = psycopg2.connect(
    host={server.address!r}, user={MASTER!r}, password={PASSWORD!r}, dbname="app",
    sslmode="require")

def cancel_when_told():
    sys.stdin.readline()
    connection.cancel()

threading.Thread(target=cancel_when_told).start()
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_sleep(600)")
"""
    client = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: runs_for(server, "SELECT pg_sleep(600)"), "the query to run")
    _, said = client.communicate("now\n", timeout=HANGS)
    assert "QueryCanceled" in said


def runs_for(server: Server, query: str) -> bool:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = %s", [query]
        )
        return cursor.fetchall() == [(1,)]


def test_a_stopped_server_hangs_up_and_refuses_until_it_is_back(
    server: Server, authority: Path
) -> None:
    connection = connect(server, authority)
    server.stop()
    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connect(server, authority)
    server.start()
    connect(server, authority).close()


def test_an_address_in_use_is_named(server: Server, authority: Path, tmp_path: Path) -> None:
    other = Server(InstanceFolder(tmp_path / "b"), installation("16"), address=server.address)
    other.initialise()
    certify(other, authority)

    with pytest.raises(SandboxError, match="Address already in use") as refused:
        other.start()

    assert server.address in refused.value.why
    assert "SANDBOX_SUBNET" in refused.value.remedy


# The contrib modules that RDS has too, and that a user without superuser's rights may create.
TRUSTED = (
    "btree_gist",
    "citext",
    "hstore",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "unaccent",
    "uuid-ossp",
)


@pytest.mark.parametrize("major", MAJORS)
def test_the_master_user_can_create_the_usual_extensions(
    major: int, authority: Path, tmp_path: Path
) -> None:
    address = free_address(PORT)
    server = Server(InstanceFolder(tmp_path / "a"), installation(str(major)), address=address)
    server.initialise()
    certify(server, authority)
    server.start()
    try:
        with server.connect() as connection:
            roles.create_master(connection, username=MASTER, password=PASSWORD, database="app")
        with connect(server, authority) as connection, connection.cursor() as cursor:
            for name in TRUSTED:
                cursor.execute(f'CREATE EXTENSION "{name}"')
            cursor.execute("SELECT uuid_generate_v4(), 'A'::citext = 'a', similarity('ab', 'abc')")
            [(_, equal, similarity)] = cursor.fetchall()
            assert equal
            assert 0 < similarity < 1
    finally:
        server.stop()


def test_an_extension_that_is_not_here_is_a_known_cause(server: Server, authority: Path) -> None:
    with (
        connect(server, authority) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.FeatureNotSupported) as refused,
    ):
        cursor.execute("CREATE EXTENSION postgis")
    cause = most_likely([f"migrate: step 1 failed and was undone: {refused.value}"])
    assert cause.code == "extension-missing"
