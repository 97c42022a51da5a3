"""The schema of a real database, as `python -m database.schema` prints it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest

from contract.schema import ColumnSchema, DatabaseSchema, TableSchema
from database.schema import main, read_schema
from tests.database.conftest import PASSWORD, Copy


def read(copy: Copy) -> DatabaseSchema:
    with closing(copy.connect()) as opened, opened, opened.cursor() as cursor:
        return read_schema(cursor)


def table(schema: DatabaseSchema, label: str) -> TableSchema:
    (found,) = (one for one in schema.tables if one.label == label)
    return found


def columns(schema: DatabaseSchema, label: str) -> dict[str, ColumnSchema]:
    return {column.name: column for column in table(schema, label).columns}


def test_types_are_told_with_what_they_are_made_of(copy: Copy) -> None:
    copy.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TYPE place AS (street text, zip text)",
        "CREATE DOMAIN code AS varchar(12) NOT NULL CHECK (VALUE ~ '^[A-Z]+$')",
        "CREATE DOMAIN short_code AS code CHECK (length(VALUE) < 9)",
        "CREATE TABLE t (a mood, b mood[], c place, d code, e short_code, f int4range,"
        " g text[], h jsonb, i varchar(200), j timestamptz)",
    )
    found = columns(read(copy), "t")
    assert {name: (one.kind, one.base) for name, one in found.items()} == {
        "a": ("enum", "mood"),
        "b": ("array", "_mood"),
        "c": ("composite", "place"),
        "d": ("base", "varchar"),
        "e": ("base", "varchar"),
        "f": ("range", "int4range"),
        "g": ("array", "_text"),
        "h": ("base", "jsonb"),
        "i": ("base", "varchar"),
        "j": ("base", "timestamptz"),
    }
    assert (found["i"].type, found["e"].type) == ("character varying(200)", "short_code")
    assert found["d"].checks == ("CHECK (((VALUE)::text ~ '^[A-Z]+$'::text))",)
    # A domain's own limits hold for a column of it, and so do those of what it is based on.
    assert found["e"].required
    assert found["e"].fakes == found["d"].fakes == ("first-name", "last-name", "text")
    assert not found["e"].hashable
    assert "email" in found["i"].fakes
    assert found["i"].hashable
    assert found["j"].fakes == ("year",)
    assert found["h"].fakes == ()


def test_keys_uniqueness_and_constraints_are_told(copy: Copy) -> None:
    copy.execute(
        "CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE NOT NULL, name text UNIQUE,"
        " status text CHECK (status IN ('new', 'old')), upper text GENERATED ALWAYS AS"
        " (upper(email)) STORED)",
        "CREATE TABLE notes (id int PRIMARY KEY, mail text REFERENCES users (email),"
        " parent int REFERENCES notes)",
    )
    schema = read(copy)
    users = columns(schema, "users")
    assert [name for name, one in users.items() if one.primary] == ["id"]
    assert [name for name, one in users.items() if one.unique] == ["id", "email", "name"]
    assert [name for name, one in users.items() if one.required] == ["id", "email"]
    assert users["email"].fakes == ("email", "username", "url", "uuid")
    assert users["status"].checks == ("CHECK ((status = ANY (ARRAY['new'::text, 'old'::text])))",)
    assert (users["upper"].generated, users["upper"].fakes, users["upper"].hashable) == (
        True,
        (),
        False,
    )
    assert [
        (key.table, key.columns, key.target, key.target_columns) for key in schema.foreign_keys
    ] == [
        ("notes", ("mail",), "users", ("email",)),
        ("notes", ("parent",), "notes", ("id",)),
    ]


def test_all_schemas_and_kinds_of_tables_are_told(copy: Copy) -> None:
    copy.execute(
        'CREATE SCHEMA "Sales-EU"',
        'CREATE TABLE "Sales-EU"."Order ""1""" ("e-mail" text, "año" int)',
        "CREATE TABLE events (at date, what text) PARTITION BY RANGE (at)",
        "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO"
        " ('2027-01-01')",
        "CREATE MATERIALIZED VIEW seen AS SELECT what FROM events",
        "CREATE VIEW unseen AS SELECT what FROM events",
    )
    schema = read(copy)
    assert [(one.label, one.kind, one.partition_of) for one in schema.tables] == [
        ('Sales-EU.Order "1"', "table", None),
        ("events", "partitioned table", None),
        ("events_2026", "table", "events"),
        ("seen", "materialized view", None),
    ]
    assert [(one.label, column.name) for one, column in schema.columns_to_classify()] == [
        ('Sales-EU.Order "1"', "e-mail"),
        ('Sales-EU.Order "1"', "año"),
        ("events", "at"),
        ("events", "what"),
    ]


def test_tables_of_extensions_and_the_scrub_s_own_are_no_tables_of_the_app(copy: Copy) -> None:
    copy.server.execute("CREATE EXTENSION citext", database=copy.name)
    copy.execute(
        "CREATE SCHEMA scrub",
        "CREATE TABLE scrub.done (name text)",
        "CREATE TABLE people (email citext)",
        "CREATE TABLE kept (id int)",
    )
    copy.server.execute("ALTER EXTENSION citext ADD TABLE kept", database=copy.name)
    schema = read(copy)
    assert [one.label for one in schema.tables] == ["people"]
    assert schema.extension_tables == {"kept": "citext"}
    assert (table(schema, "people").columns[0].type, table(schema, "people").columns[0].base) == (
        "citext",
        "citext",
    )


def test_it_is_printed_as_one_document_by_the_role_that_owns_it(staging: Copy) -> None:
    environment = {
        "DATABASE_HOST": staging.server.address,
        "DATABASE_NAME": staging.name,
        "DATABASE_SSLMODE": "disable",
        "DATABASE_USER": "migrator",
        "DATABASE_PASSWORD": PASSWORD,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "database.schema"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "lovelace" not in ended.stdout
    schema = DatabaseSchema.model_validate_json(ended.stdout)
    assert schema == read(staging)
    assert [one.label for one in schema.tables] == ["members", "tokens"]


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"DATABASE_HOST": ""}, 2, "DATABASE_HOST"),
        ({"DATABASE_PASSWORD": "another"}, 1, "schema: .*authentication failed"),
    ],
)
def test_without_a_database_it_says_why(
    staging: Copy,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    changed: dict[str, str],
    code: int,
    message: str,
) -> None:
    import re

    values = {**staging.environment, "DATABASE_USER": "migrator", "DATABASE_PASSWORD": PASSWORD}
    for name, value in {**values, **changed}.items():
        monkeypatch.setenv(name, value)
    assert main() == code
    output, complaint = capfd.readouterr()
    assert output == ""
    assert re.search(message, complaint)
    assert PASSWORD not in complaint
