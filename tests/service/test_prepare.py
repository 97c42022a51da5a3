from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from service.database.migration import migration_engine
from service.migrate import migrate
from service.prepare.__main__ import main, prepare
from service.prepare.errors import PrepareError
from service.settings import ConfigurationError, PrepareSettings, load

if TYPE_CHECKING:
    from tests.service.conftest import PreparedDatabase

PASSWORD = "only-for-tests"
MAY = (
    "SELECT count(*) FROM customers",
    "INSERT INTO customers (name, email, plan) VALUES ('a', 'a@example.com', 'free')",
    "UPDATE customers SET name = 'b'",
    "DELETE FROM customers",
)
MAY_NOT = (
    "CREATE TABLE mine ()",
    "CREATE TEMP TABLE mine ()",
    "CREATE SCHEMA mine",
    "ALTER TABLE customers ADD COLUMN more int",
    "DROP TABLE customers",
    "TRUNCATE customers",
    "CREATE INDEX ON customers (name)",
    "SET ROLE migrator",
    "CREATE ROLE mine",
)


def run(
    database: PreparedDatabase, user: str, *statements: str, password: str = PASSWORD
) -> list[tuple[object, ...]]:
    with (
        closing(database.server.connect(database.name, user=user, password=password)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def apply_migrations(database: PreparedDatabase) -> None:
    with migration_engine(database.migrator).connect() as connection:
        migrate(connection)


def test_the_application_reads_and_writes_rows_and_nothing_else(
    empty_database: PreparedDatabase,
) -> None:
    prepare(empty_database.prepare)
    apply_migrations(empty_database)
    run(empty_database, "app", *MAY)
    for statement in MAY_NOT:
        with pytest.raises(InsufficientPrivilege):
            run(empty_database, "app", statement)


def test_a_migration_can_create_an_extension_that_the_application_then_uses(
    empty_database: PreparedDatabase,
) -> None:
    prepare(empty_database.prepare)
    with pytest.raises(InsufficientPrivilege):
        run(empty_database, "app", 'CREATE EXTENSION "uuid-ossp"')
    run(empty_database, "migrator", 'CREATE EXTENSION "uuid-ossp"', "CREATE EXTENSION citext")
    assert run(empty_database, "app", "SELECT uuid_generate_v4() IS NULL") == [(False,)]


def test_it_can_be_run_again_before_and_after_migrations(empty_database: PreparedDatabase) -> None:
    prepare(empty_database.prepare)
    prepare(empty_database.prepare)
    apply_migrations(empty_database)
    run(empty_database, "app", MAY[1])
    prepare(empty_database.prepare)
    assert run(empty_database, "app", MAY[0]) == [(1,)]
    run(empty_database, "migrator", "ALTER TABLE customers ADD COLUMN more int")


def test_another_run_gives_other_passwords(empty_database: PreparedDatabase) -> None:
    prepare(empty_database.prepare)
    later = empty_database.prepare.model_copy(
        update={
            "app_password": type(empty_database.prepare.app_password)("another-password"),
        }
    )
    try:
        prepare(later)
        run(empty_database, "app", "SELECT 1", password="another-password")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            run(empty_database, "app", "SELECT 1")
    finally:
        prepare(empty_database.prepare)


def test_the_server_never_sees_a_password(empty_database: PreparedDatabase) -> None:
    server = empty_database.server
    server.execute("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    try:
        prepare(empty_database.prepare)
    finally:
        server.execute("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    log = (server.folder / "log").read_text()
    assert 'ROLE "app" WITH LOGIN INHERIT PASSWORD \'SCRAM-SHA-256$' in log
    assert PASSWORD not in log.split("ALTER SYSTEM SET log_statement")[-1]


def test_what_others_made_becomes_the_migrators(empty_database: PreparedDatabase) -> None:
    server = empty_database.server
    server.execute(
        "CREATE ROLE old_migrator LOGIN PASSWORD 'old'",
        "GRANT old_migrator TO boss WITH ADMIN OPTION",
    )
    try:
        server.execute(
            "GRANT CREATE ON SCHEMA public TO old_migrator, boss",
            "SET ROLE old_migrator",
            "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY, n serial, mood text)",
            'CREATE VIEW "Odd Name" AS SELECT * FROM things',
            "CREATE MATERIALIZED VIEW many AS SELECT * FROM things",
            "CREATE SEQUENCE alone",
            "CREATE TYPE mood AS ENUM ('good')",
            "CREATE DOMAIN small AS int CHECK (value < 10)",
            "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "RESET ROLE",
            "SET ROLE boss",
            "CREATE TABLE by_master (id int)",
            database=empty_database.name,
        )
        prepare(empty_database.prepare)
        owners = run(
            empty_database,
            "migrator",
            "SELECT DISTINCT relowner::regrole::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace"
            " UNION SELECT proowner::regrole::text FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
            " UNION SELECT typowner::regrole::text FROM pg_type"
            " WHERE typnamespace = 'public'::regnamespace",
        )
        assert owners == [("migrator",)]
        run(
            empty_database,
            "app",
            'SELECT * FROM "Odd Name"',
            "INSERT INTO things (mood) VALUES ('x')",
        )
    finally:
        server.execute("DROP OWNED BY old_migrator", database=empty_database.name)
        server.execute("DROP ROLE old_migrator")


def test_a_role_that_may_too_much_is_refused(empty_database: PreparedDatabase) -> None:
    server = empty_database.server
    server.execute("CREATE ROLE strong CREATEDB")
    try:
        settings = empty_database.prepare.model_copy(update={"app_user": "strong"})
        with pytest.raises(PrepareError, match="strong exists and has too many privileges"):
            prepare(settings)
    finally:
        server.execute("DROP ROLE strong")


def test_what_would_be_unsafe_changes_nothing(empty_database: PreparedDatabase) -> None:
    """The application's role belongs to another one, which master can't take from it."""
    server = empty_database.server
    server.execute(
        "CREATE ROLE readers",
        "CREATE ROLE app_in_group LOGIN",
        "GRANT readers TO app_in_group",
        "GRANT app_in_group TO boss WITH ADMIN OPTION",
    )
    try:
        settings = empty_database.prepare.model_copy(update={"app_user": "app_in_group"})
        with pytest.raises(PrepareError, match="app_in_group belongs to another role"):
            prepare(settings)
        # Undone: everybody may still connect, as in every new database.
        allowed = "SELECT has_database_privilege('readers', current_database(), 'CONNECT')"
        assert run(empty_database, "boss", allowed) == [(True,)]
    finally:
        server.execute("DROP OWNED BY app_in_group", database=empty_database.name)
        server.execute("DROP ROLE app_in_group", "DROP ROLE readers")


def environment(database: PreparedDatabase, monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    variables = {
        "host": database.server.address,
        "name": database.name,
        "sslmode": "disable",
        "master_user": "boss",
        "master_password": PASSWORD,
        "migrator_user": "migrator",
        "migrator_password": PASSWORD,
        "app_user": "app",
        "app_password": PASSWORD,
    }
    for name, value in (variables | values).items():
        monkeypatch.setenv(f"DATABASE_{name.upper()}", value)


def test_as_a_command_it_tells_what_it_did(
    empty_database: PreparedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment(empty_database, monkeypatch)
    assert main() == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == "prepare: done"
    assert PASSWORD not in output.out + output.err


def test_a_refusal_is_reported_in_one_line(
    empty_database: PreparedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment(empty_database, monkeypatch, master_password="wrong-password")
    assert main() == 1
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert output.startswith("prepare: ")
    assert "password authentication failed" in output
    assert "wrong-password" not in output


def test_a_wrong_environment_is_named(
    empty_database: PreparedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment(empty_database, monkeypatch, app_password="short", app_user="")
    assert main() == 2
    output = capsys.readouterr().err
    assert "DATABASE_APP_PASSWORD: " in output
    assert "DATABASE_APP_USER: " in output
    environment(empty_database, monkeypatch, app_user="migrator")
    with pytest.raises(ConfigurationError, match="three different roles"):
        load(PrepareSettings)
