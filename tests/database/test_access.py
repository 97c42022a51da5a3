"""The two roles: what they may do in every schema of an app, and what they may not."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from pydantic import SecretStr

from database.access import AccessError
from database.settings import AccessSettings, ConfigurationError, load
from tests.database.conftest import PASSWORD, Copy

TABLES = (
    "CREATE TABLE customers (id serial PRIMARY KEY, name text)",
    "CREATE SCHEMA billing",
    "CREATE TABLE billing.invoices (id serial PRIMARY KEY, total int)",
)
MAY = (
    "SELECT count(*) FROM {table}",
    "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE {table} SET id = id",
    "DELETE FROM {table}",
)
MAY_NOT = (
    "CREATE TABLE mine ()",
    "CREATE TABLE billing.mine ()",
    "CREATE TEMP TABLE mine ()",
    "CREATE SCHEMA mine",
    "ALTER TABLE customers ADD COLUMN more int",
    "DROP TABLE customers",
    "DROP SCHEMA billing CASCADE",
    "TRUNCATE customers",
    "TRUNCATE billing.invoices",
    "CREATE INDEX ON customers (name)",
    "SET ROLE migrator",
    "CREATE ROLE mine",
)


def reads_and_writes(database: Copy, *tables: str) -> None:
    for table in tables:
        database.execute(*(statement.format(table=table) for statement in MAY), user="app")


def test_the_application_reads_and_writes_rows_and_nothing_else(copy: Copy) -> None:
    copy.grant()
    copy.execute(*TABLES, user="migrator")
    reads_and_writes(copy, "customers", "billing.invoices")
    for statement in MAY_NOT:
        with pytest.raises(InsufficientPrivilege):
            copy.execute(statement, user="app")


def test_every_schema_of_a_restored_database_is_the_migrators(copy: Copy) -> None:
    copy.execute(
        *TABLES,
        'CREATE SCHEMA "Odd Name"',
        'CREATE TABLE "Odd Name"."Odd Table" (id serial PRIMARY KEY)',
        "GRANT ALL ON SCHEMA billing TO PUBLIC",
        "GRANT ALL ON billing.invoices TO PUBLIC",
    )
    copy.grant()
    reads_and_writes(copy, "customers", "billing.invoices", '"Odd Name"."Odd Table"')
    copy.execute("CREATE TABLE billing.later (id serial PRIMARY KEY)", user="migrator")
    reads_and_writes(copy, "billing.later")
    with pytest.raises(InsufficientPrivilege):
        copy.execute("TRUNCATE billing.invoices", user="app")
    owners = copy.execute(
        "SELECT nspname::text, nspowner::regrole::text FROM pg_namespace"
        " WHERE nspname IN ('billing', 'Odd Name') ORDER BY 1"
    )
    assert owners == [("Odd Name", "migrator"), ("billing", "migrator")]


def test_the_state_of_the_scrub_is_the_masters_alone(copy: Copy) -> None:
    copy.execute("CREATE SCHEMA scrub", "CREATE TABLE scrub.finished (at timestamptz)")
    copy.grant()
    for user in ("migrator", "app"):
        with pytest.raises(InsufficientPrivilege):
            copy.execute("SELECT * FROM scrub.finished", user=user)


def test_the_application_calls_the_functions_that_its_tables_need(copy: Copy) -> None:
    function = "CREATE FUNCTION {name}() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    copy.execute(function.format(name="old"), "CREATE TABLE t (n int DEFAULT old())")
    copy.grant()
    copy.execute(
        function.format(name="new"), "ALTER TABLE t ADD COLUMN m int DEFAULT new()",
        user="migrator",
    )  # fmt: skip
    copy.execute("INSERT INTO t DEFAULT VALUES", user="app")
    everybody = copy.column(
        "SELECT count(*) FROM pg_proc, aclexplode(proacl) AS acl"
        " WHERE pronamespace = 'public'::regnamespace AND acl.grantee = 0"
    )
    assert everybody == [0]


def test_the_master_creates_the_extensions_that_the_app_needs(copy: Copy) -> None:
    copy.grant(extensions=("uuid-ossp", "citext"))
    copy.grant(extensions=("uuid-ossp", "citext"))
    assert copy.execute("SELECT uuid_generate_v4() IS NULL", user="app") == [(False,)]
    copy.execute("CREATE TABLE t (name citext)", user="migrator")


def test_an_extension_that_the_server_does_not_have_changes_nothing(copy: Copy) -> None:
    with pytest.raises(
        AccessError, match=r"extension no-such-thing can't be created: .* RDS those"
    ):
        copy.grant(extensions=("no-such-thing",))
    allowed = "SELECT has_database_privilege('pg_monitor', current_database(), 'CONNECT')"
    assert copy.execute(allowed) == [(True,)]


def test_a_migration_can_create_an_extension_that_the_application_then_uses(copy: Copy) -> None:
    copy.grant()
    with pytest.raises(InsufficientPrivilege):
        copy.execute('CREATE EXTENSION "uuid-ossp"', user="app")
    copy.execute('CREATE EXTENSION "uuid-ossp"', "CREATE EXTENSION citext", user="migrator")
    assert copy.execute("SELECT uuid_generate_v4() IS NULL", user="app") == [(False,)]


def test_it_can_be_run_again_before_and_after_migrations(copy: Copy) -> None:
    copy.grant()
    copy.grant()
    copy.execute(*TABLES, user="migrator")
    copy.grant()
    reads_and_writes(copy, "customers", "billing.invoices")
    copy.execute("ALTER TABLE customers ADD COLUMN more int", user="migrator")


def test_another_run_gives_other_passwords(copy: Copy) -> None:
    copy.grant()
    try:
        copy.grant(app_password=SecretStr("another-password"))
        copy.execute("SELECT 1", user="app", password="another-password")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            copy.execute("SELECT 1", user="app")
    finally:
        copy.grant()


def test_the_server_never_sees_a_password(copy: Copy) -> None:
    server = copy.server
    server.execute("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    try:
        copy.grant()
    finally:
        server.execute("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    log = (server.folder / "log").read_text()
    assert 'ROLE "app" WITH LOGIN INHERIT PASSWORD \'SCRAM-SHA-256$' in log
    assert PASSWORD not in log.split("ALTER SYSTEM SET log_statement")[-1]


def test_what_others_made_becomes_the_migrators(copy: Copy) -> None:
    server = copy.server
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
            "CREATE TYPE pair AS (a int, b int)",
            "CREATE TYPE span AS RANGE (subtype = int)",
            "CREATE FUNCTION one(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "RESET ROLE",
            "SET ROLE boss",
            "CREATE TABLE by_master (id int)",
            database=copy.name,
        )
        copy.grant()
        owners = copy.execute(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace"
            " UNION SELECT proowner::regrole::text FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
            # The constructors of a range type are the server's.
            " AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass"
            "  AND objid = pg_proc.oid AND deptype = 'i')"
            " UNION SELECT typowner::regrole::text FROM pg_type"
            " WHERE typnamespace = 'public'::regnamespace",
            user="migrator",
        )
        assert owners == [("migrator",)]
        copy.execute(
            'SELECT * FROM "Odd Name"', "INSERT INTO things (mood) VALUES ('x')", user="app"
        )
    finally:
        server.execute("DROP OWNED BY old_migrator", database=copy.name)
        server.execute("DROP ROLE old_migrator")


def test_a_role_that_may_too_much_is_refused(copy: Copy) -> None:
    server = copy.server
    server.execute("CREATE ROLE strong CREATEDB")
    try:
        with pytest.raises(AccessError, match="strong exists and has too many privileges"):
            copy.grant(app_user="strong")
    finally:
        server.execute("DROP ROLE strong")


def test_what_would_be_unsafe_changes_nothing(copy: Copy) -> None:
    """The application's role belongs to another one, which master can't take from it."""
    server = copy.server
    server.execute(
        "CREATE ROLE readers",
        "CREATE ROLE app_in_group LOGIN",
        "GRANT readers TO app_in_group",
        "GRANT app_in_group TO boss WITH ADMIN OPTION",
    )
    try:
        with pytest.raises(AccessError, match="app_in_group belongs to another role"):
            copy.grant(app_user="app_in_group")
        # Undone: everybody may still connect, as in every new database.
        allowed = "SELECT has_database_privilege('readers', current_database(), 'CONNECT')"
        assert copy.execute(allowed) == [(True,)]
    finally:
        server.execute("DROP OWNED BY app_in_group", database=copy.name)
        server.execute("DROP ROLE app_in_group", "DROP ROLE readers")


def test_three_different_roles_are_needed(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    variables: dict[str, Any] = copy.environment | {"DATABASE_APP_USER": "migrator"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="three different roles"):
        load(AccessSettings)


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("citext", ("citext",)), (" uuid-ossp, citext ,citext,", ("uuid-ossp", "citext"))],
)
def test_extensions_are_a_list_with_commas(
    copy: Copy, monkeypatch: pytest.MonkeyPatch, text: str, names: tuple[str, ...]
) -> None:
    for name, value in (copy.environment | {"DATABASE_EXTENSIONS": text}).items():
        monkeypatch.setenv(name, value)
    assert load(AccessSettings).extensions == names
