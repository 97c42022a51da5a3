"""Rules of the scrub, drafted from a migrated database, and what becomes of a file that is there.

The database is a real one, and so is the scrub that accepts the rules in the end.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.schema import DatabaseSchema
from database.schema import read_schema
from database.scrub import catalogue
from database.scrub.classification import classify
from database.scrub.errors import RulesError
from database.scrub.rules import load
from previews.adoption.checking import check
from previews.adoption.migrated_schema import _login
from previews.adoption.migrated_schema import read_schema as read_document
from previews.adoption.scrub_draft import draft_of_schema
from previews.adoption.scrub_file import extend, open_rules, render
from previews.errors import PreviewsError
from tests.database.conftest import PASSWORD, Copy, copy, server  # noqa: F401 - fixtures
from tests.previews.adoption.repositories import repository

Run = Callable[..., tuple[int, str, str]]
PLATFORM = ("--platform", "acme/previews@v1")


def schema_of(database: Copy, *statements: str) -> DatabaseSchema:
    if statements:
        database.execute(*statements)
    with closing(database.connect()) as opened, opened, opened.cursor() as cursor:
        return read_schema(cursor)


def rules_of(schema: DatabaseSchema) -> dict[str, dict[str, str]]:
    """Return for each column the kind of its fakes, or how else it is scrubbed."""
    tables = yaml.safe_load(render(draft_of_schema(schema)))["tables"]
    return {
        label: {
            name: rule.get("kind", rule["how"]) for name, rule in table.get("columns", {}).items()
        }
        for label, table in tables.items()
    }


def test_types_and_constraints_decide(copy: Copy) -> None:  # noqa: F811
    schema = schema_of(
        copy,
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TYPE place AS (street text, zip text)",
        "CREATE DOMAIN mail AS varchar(100) CHECK (VALUE LIKE '%@%')",
        "CREATE DOMAIN code AS text CHECK (VALUE IN ('a', 'b'))",
        "CREATE TABLE people (id uuid PRIMARY KEY, mood mood, moods mood[], home place,"
        " mail mail, code code, tags text[], born_on date, seen_at timestamptz, last_ip inet,"
        " phone varchar(5), nickname varchar(10) UNIQUE, slug text UNIQUE, extra jsonb,"
        " salary numeric, stock_count int, floor int, api_token bytea, password varchar(10),"
        " status varchar(20) CHECK (status IN ('new', 'it''s old')), name text,"
        " website text CHECK (website ~ '^http'), motto text CHECK (motto <> 'x'),"
        " shout text GENERATED ALWAYS AS (upper(name)) STORED)",
    )
    assert rules_of(schema)["people"] == {
        "id": "keep",
        "mood": "keep",
        "moods": "review",
        "home": "review",
        "mail": "review",
        "code": "keep",
        "tags": "review",
        "born_on": "year",
        "seen_at": "keep",
        "last_ip": "ip",
        # No number has room there, and filler has.
        "phone": "text",
        # No fake that differs has room, nor has a hash.
        "nickname": "review",
        "slug": "review",
        "extra": "review",
        "salary": "review",
        "stock_count": "keep",
        "floor": "review",
        "api_token": "hash",
        "password": "review",
        "status": "keep",
        "name": "person",
        "website": "url",
        "motto": "review",
    }
    text = render(draft_of_schema(schema))
    assert "# shout: generated from other columns, so it needs no rule\n" in text
    assert 'status: {how: keep, why: "one of few words, by its constraint"}' in text
    assert "# review: character varying(10), unique\n" in text


def test_a_constraint_of_two_columns_tells_nothing_of_either(copy: Copy) -> None:  # noqa: F811
    schema = schema_of(
        copy,
        "CREATE TABLE t (kind text, email text, CHECK (kind IN ('a', 'b') OR email IN ('x', 'y')))",
    )
    assert rules_of(schema)["t"] == {"kind": "review", "email": "email"}


def test_columns_that_foreign_keys_join_have_one_rule(copy: Copy) -> None:  # noqa: F811
    schema = schema_of(
        copy,
        "CREATE TABLE users (email text PRIMARY KEY, id int UNIQUE, code varchar(36) UNIQUE)",
        "CREATE TABLE notes (author text REFERENCES users (email), owner int REFERENCES users (id),"
        " code varchar(36) REFERENCES users (code), small varchar(8) REFERENCES users (email))",
        "CREATE TABLE marks (handle text UNIQUE REFERENCES users (email))",
        "CREATE TABLE both_of (id text PRIMARY KEY REFERENCES users (email))",
        "CREATE TABLE one_of (email text PRIMARY KEY)",
        "ALTER TABLE both_of ADD FOREIGN KEY (id) REFERENCES one_of (email)",
        "CREATE TABLE reset (reset_token uuid PRIMARY KEY, user_token uuid)",
        "CREATE TABLE a (phone varchar(40) UNIQUE, token varchar(40) UNIQUE)",
        "CREATE TABLE b (phone varchar(40) REFERENCES a (phone), token varchar(20) REFERENCES a"
        " (token))",
    )
    found = rules_of(schema)
    # The narrow one has no room for the fakes of the others.
    assert found["users"] == {"email": "review", "id": "keep", "code": "keep"}
    assert found["notes"] == {
        "author": "review",
        "owner": "keep",
        "code": "keep",
        "small": "review",
    }
    assert found["marks"] == {"handle": "review"}
    # One column may refer to two others, so all three have one rule.
    assert (found["both_of"], found["one_of"]) == ({"id": "review"}, {"email": "review"})
    assert found["reset"] == {"reset_token": "uuid", "user_token": "uuid"}
    assert found["b"] == {"phone": "review", "token": "review"}
    copy.execute("ALTER TABLE notes DROP COLUMN small")
    found = rules_of(schema_of(copy))
    joined = [("users", "email"), ("notes", "author"), ("marks", "handle"), ("both_of", "id")]
    assert {found[table][column] for table, column in joined} == {"email"}
    assert found["one_of"] == {"email": "email"}


def test_every_table_is_there_by_the_name_that_the_scrub_has_for_it(copy: Copy) -> None:  # noqa: F811
    copy.server.execute("CREATE EXTENSION citext", database=copy.name)
    schema = schema_of(
        copy,
        'CREATE SCHEMA "Sales-EU"',
        'CREATE TABLE "Sales-EU"."Order ""1""" ("e-mail" citext, "null" int, "a: b #c" int,'
        ' "año" bool, "back\\slash" bool)',
        "CREATE TABLE events (at date, what text) PARTITION BY RANGE (at)",
        "CREATE TABLE events_1 PARTITION OF events DEFAULT",
        "CREATE TABLE kept (id int)",
    )
    copy.server.execute("ALTER EXTENSION citext ADD TABLE kept", database=copy.name)
    schema = schema_of(copy)
    assert {label: list(columns) for label, columns in rules_of(schema).items()} == {
        'Sales-EU.Order "1"': ["e-mail", "null", "a: b #c", "año", "back\\slash"],
        "events": ["at", "what"],
    }
    assert "# kept belongs to extension citext" in render(draft_of_schema(schema))


def reviewed(text: str) -> str:
    """Do what a person does with a draft."""
    keep = '{how: keep, why: "looked at by the tests"}'
    return text.replace("{how: review}", keep).replace("reviewed: false\n", "")


def test_the_scrub_refuses_the_draft_and_accepts_what_was_reviewed(
    copy: Copy,  # noqa: F811
    tmp_path: Path,
) -> None:
    schema = schema_of(
        copy,
        "CREATE SCHEMA crm",
        "CREATE DOMAIN short AS varchar(30) NOT NULL",
        "CREATE TABLE crm.users (id serial PRIMARY KEY, email text UNIQUE NOT NULL, name short,"
        " phone varchar(20), born date, password_hash text, notes text, tags text[],"
        " state text CHECK (state IN ('on', 'off')))",
        "CREATE TABLE logins (id bigserial PRIMARY KEY, who text REFERENCES crm.users (email),"
        " ip inet, at timestamptz) ",
        "INSERT INTO crm.users (email, name, phone, born, password_hash, notes, tags, state) VALUES"
        " ('ada@lovelace.dev', 'Ada Lovelace', '+44 20 7946 1234', '1815-12-10', 'x', 'Was here',"
        " '{a}', 'on')",
        "INSERT INTO logins (who, ip) VALUES ('ada@lovelace.dev', '8.8.8.8')",
    )
    path = tmp_path / "scrub.yaml"
    path.write_text(render(draft_of_schema(schema)))
    with pytest.raises(RulesError, match=r"crm\.users\.columns\.tags: .*'review'"):
        load(path)
    # Lines alone are not enough.
    path.write_text(reviewed(path.read_text()).replace("tables:", "reviewed: false\ntables:"))
    with pytest.raises(RulesError, match="it is a draft"):
        load(path)
    path.write_text(path.read_text().replace("reviewed: false\n", ""))
    copy.scrub(load(path))
    ((email, name, born, state),) = copy.execute("SELECT email, name, born, state FROM crm.users")
    assert email.endswith("@example.com")
    assert (name != "Ada Lovelace", str(born), state) == (True, "1815-01-01", "on")
    assert copy.column("SELECT who FROM logins") == [email]


NAMES = (
    *("email", "username", "first_name", "last_name", "phone", "company", "address", "ip", "url"),
    *("full_name", "name", "password", "api_token", "born_on", "created_at", "item_count", "note"),
    *("user_id", "status"),
)
TYPES = (
    *("text", "varchar", "varchar(5)", "varchar(20)", "varchar(100)", "char(36)", "name", "citext"),
    *("int", "bigint", "numeric", "float", "money", "uuid", "inet", "cidr", "macaddr", "bytea"),
    *("date", "timestamp", "timestamptz", "time", "interval", "bool", "json", "jsonb", "xml"),
    *("text[]", "mood", "mood[]", "place", "mail", "int4range", "tsvector", "bit(3)", "point"),
)
NOT_UNIQUE = {"json", "xml", "point"}
"""Types without an operator class of B-tree."""


def test_whatever_is_proposed_the_scrub_accepts(copy: Copy, tmp_path: Path) -> None:  # noqa: F811
    copy.server.execute("CREATE EXTENSION citext", database=copy.name)
    statements = [
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE TYPE place AS (street text)",
        "CREATE DOMAIN mail AS varchar(30) NOT NULL",
    ]
    for number, kind in enumerate(TYPES):
        columns = ", ".join(f"{name} {kind}" for name in NAMES)
        statements.append(f"CREATE TABLE users{number} ({columns})")
        if kind not in NOT_UNIQUE:
            unique = ", ".join(f"{name} {kind} NOT NULL UNIQUE" for name in NAMES)
            refers = ", ".join(
                f"{name} {kind} REFERENCES parent{number} ({name})" for name in NAMES
            )
            statements += [
                f"CREATE TABLE parent{number} ({unique})",
                f"CREATE TABLE child{number} ({refers})",
            ]
    schema = schema_of(copy, *statements)
    path = tmp_path / "scrub.yaml"
    path.write_text(reviewed(render(draft_of_schema(schema))))
    with closing(copy.connect()) as opened, opened, opened.cursor() as cursor:
        tables, keys = catalogue.read(cursor), catalogue.foreign_keys(cursor)
    assert len(keys) == len(NAMES) * (len(TYPES) - len(NOT_UNIQUE))
    assert len(classify(tables, keys, load(path))) == len(schema.tables)


EDITED = """\
# Ours.
tables:
  # People first.
  users:
    columns:
      id: { how: keep, why: "a number of no meaning" }  # fine
      email:
        how: fake
        kind: email

      # Nobody needs it.
      nick: {how: "null"}
  logs: {truncate: "nobody reads them there"}
  flow: {columns: {id: {how: keep, why: "a number of no meaning"}}}

proofs:
  none: SELECT 1 WHERE false
"""


def edited(database: Copy, *further: str) -> DatabaseSchema:
    return schema_of(
        database,
        "CREATE TABLE users (id int PRIMARY KEY, email text, nick text)",
        "CREATE TABLE logs (id int, text text)",
        "CREATE TABLE flow (id int PRIMARY KEY)",
        *further,
    )


def test_a_reviewed_file_that_has_all_columns_stays_as_it_is(copy: Copy) -> None:  # noqa: F811
    done = extend(EDITED, draft_of_schema(edited(copy)))
    assert (done.text, done.added, done.gone) == (EDITED, (), ())


def test_a_reviewed_file_gets_lines_for_what_it_lacks_and_loses_none(
    copy: Copy,  # noqa: F811
    tmp_path: Path,
) -> None:
    schema = edited(
        copy,
        "ALTER TABLE users ADD fax text, DROP nick",
        "ALTER TABLE logs ADD more text",
        "CREATE TABLE tags (id int PRIMARY KEY, tag text)",
    )
    done = extend(EDITED, draft_of_schema(schema))
    assert done.added == (("tags", "id"), ("tags", "tag"), ("users", "fax"))
    assert done.gone == ("users.nick",)
    changes = [
        line
        for line in difflib.ndiff(EDITED.splitlines(), done.text.splitlines())
        if line[0] in "+-"
    ]
    key = 'id: {how: keep, why: "a key without a meaning outside of the database"}'
    assert changes == [
        "+ # Columns were added below, marked `review`: check them, then remove the next line.",
        "+ reviewed: false",
        "+       fax: {how: fake, kind: phone}  # review: text",
        "+   tags:",
        "+     columns:",
        f"+       {key}  # review: integer, primary key",
        "+       tag: {how: fake, kind: text}  # review: text",
    ]
    path = tmp_path / "scrub.yaml"
    path.write_text(done.text)
    with pytest.raises(RulesError, match="it is a draft"):
        load(path)
    path.write_text(reviewed(done.text))
    assert set(load(path).tables) == {"users", "logs", "flow", "tags"}
    again = extend(done.text, draft_of_schema(schema))
    assert (again.text, again.added) == (done.text, ())


def test_a_file_of_a_form_of_its_own_is_left_to_a_person(copy: Copy) -> None:  # noqa: F811
    done = extend(EDITED, draft_of_schema(edited(copy, "ALTER TABLE flow ADD x int")))
    assert (done.text, done.written, done.added) == (EDITED, False, (("flow", "x"),))


@pytest.mark.parametrize("text", ["", "tables: {}\n", "tables:\n", "reviewed: true\ntables: {}\n"])
def test_an_empty_file_gets_all_of_it(copy: Copy, text: str) -> None:  # noqa: F811
    schema = schema_of(copy, "CREATE TABLE t (id int PRIMARY KEY)")
    done = extend(text, draft_of_schema(schema))
    assert done.written
    content = yaml.safe_load(done.text)
    assert (content["reviewed"], list(content["tables"])) == (False, ["t"])


@pytest.mark.parametrize("text", ["a: [", "- a\n", "tables: 1\n", "tables: {t: 1}\n"])
def test_what_are_no_rules_is_not_extended(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected"):
        extend(text, draft_of_schema(DatabaseSchema()))


def adopted(previews: Run, folder: Path, *arguments: str) -> dict[str, Any]:
    code, output, complaint = previews("adopt", str(folder), "--json", *PLATFORM, *arguments)
    assert code == 0, complaint
    document: dict[str, Any] = json.loads(output)
    return document


def outcome(report: dict[str, Any]) -> str:
    (found,) = (change["outcome"] for change in report["changes"] if change["path"] == "scrub.yaml")
    return str(found)


def test_adopt_drafts_from_the_schema_and_replaces_only_its_own_draft(
    previews: Run,
    copy: Copy,  # noqa: F811
    tmp_path: Path,
) -> None:
    folder = repository(tmp_path / "orders")
    path, document = folder / "scrub.yaml", tmp_path / "schema.json"
    schema = schema_of(copy, "CREATE TABLE users (id int PRIMARY KEY, email text)")
    document.write_text(schema.model_dump_json())

    assert outcome(adopted(previews, folder)) == "created"
    assert "Drafted from migrations, without a database." in path.read_text()
    assert outcome(adopted(previews, folder, "--schema", str(document))) == "replaced"
    assert path.read_text() == render(draft_of_schema(schema))
    assert "Drafted from the migrated schema." in path.read_text()
    for arguments in ((), ("--schema", str(document))):
        report = adopted(previews, folder, *arguments)
        assert outcome(report) == ("unchanged" if arguments else "kept")
        assert path.read_text() == render(draft_of_schema(schema))

    ours = "# Ours.\n" + reviewed(path.read_text())
    path.write_text(ours)
    schema = schema_of(copy, "ALTER TABLE users ADD fax text, DROP email")
    document.write_text(schema.model_dump_json())
    report = adopted(previews, folder, "--schema", str(document))
    assert outcome(report) == "extended"
    assert (
        "+      fax: {how: fake, kind: phone}"
        in json.loads(json.dumps(report))["changes"][1]["difference"]
    )
    assert set(ours.splitlines()) <= set(path.read_text().splitlines())
    assert any("users.email" in remark for remark in report["remarks"])
    assert any("scrub.yaml stays" in remark for remark in adopted(previews, folder)["remarks"])


def test_a_file_that_is_no_utf_8_is_left_alone_wherever_it_is(
    previews: Run,
    copy: Copy,  # noqa: F811
    tmp_path: Path,
) -> None:
    folder = repository(tmp_path / "mono" / "orders")
    (tmp_path / "mono" / ".git").mkdir()
    (folder / ".git").rmdir()
    (folder / "preview.yaml").write_text("app: orders\ndatabase: {scrub: ../rules.yaml}\n")
    rules = tmp_path / "mono" / "rules.yaml"
    rules.write_bytes(b"# caf\xe9\ntables: {}\n")
    schema = schema_of(copy, "CREATE TABLE users (id int PRIMARY KEY, email text)")
    (tmp_path / "schema.json").write_text(schema.model_dump_json())
    report = adopted(previews, folder, "--schema", str(tmp_path / "schema.json"))
    assert rules.read_bytes() == b"# caf\xe9\ntables: {}\n"
    assert any("rules.yaml can't be read" in remark for remark in report["remarks"])
    rules.write_text("# Ours.\ntables: {}\n")
    adopted(previews, folder, "--schema", str(tmp_path / "schema.json"))
    assert rules.read_text().startswith("# Ours.\n")
    assert list(yaml.safe_load(rules.read_text())["tables"]) == ["users"]


def test_check_names_the_columns_that_the_rules_lack(
    previews: Run,
    copy: Copy,  # noqa: F811
    tmp_path: Path,
) -> None:
    folder = repository(tmp_path / "orders")
    schema = schema_of(copy, "CREATE TABLE users (id int PRIMARY KEY, email text, fax text)")
    (tmp_path / "schema.json").write_text(schema.model_dump_json())
    adopted(previews, folder)
    (folder / "scrub.yaml").write_text(
        'tables: {users: {columns: {id: {how: keep, why: "a number"}, x: {how: hash}}}}\n'
    )
    assert [one.what for one in check(folder).problems] == []
    arguments = ("app", "check", str(folder), "--schema", str(tmp_path / "schema.json"), "--json")
    code, output, _ = previews(*arguments)
    report = json.loads(output)
    assert code == 1
    assert [one["what"] for one in report["problems"]] == [
        "columns of the migrated schema have no rule: users.email, users.fax"
    ]
    assert [one["what"] for one in report["notes"] if one["where"] == "scrub.yaml"] == [
        "it has rules for what the migrated schema lacks: users.x"
    ]


def test_the_schema_is_read_from_a_database_by_its_url(copy: Copy) -> None:  # noqa: F811
    schema = schema_of(copy, "CREATE TABLE users (id int)")
    host = f"{copy.server.address}:5432/{copy.name}"
    url = f"postgresql+asyncpg://boss:{PASSWORD}@{host}?ssl=disable"
    assert read_document(url) == schema
    with pytest.raises(PreviewsError, match="authentication failed") as raised:
        read_document(f"postgresql://boss:secret-word@{host}?sslmode=disable")
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent.json", "can't be read: No such file"),
        ("mysql://a:b@c/d", "only a URL of PostgreSQL"),
        ("postgresql://a:b:c/d@e/f", "%2F"),
    ],
)
def test_a_schema_that_can_t_be_read_is_refused(source: str, message: str) -> None:
    with pytest.raises(PreviewsError, match=message) as raised:
        read_document(source)
    assert raised.value.code == "adopt-schema"


@pytest.mark.parametrize("text", ["", "{}x", '{"version": 2}', '{"tables": [{"label": 1}]}'])
def test_a_document_of_another_version_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(PreviewsError, match="of this version wrote"):
        read_document(str(tmp_path / "schema.json"))


def test_special_characters_of_a_url_are_decoded() -> None:
    login = _login("postgres://us%40er:p%2Fw@db.example:6000/my%20db?sslmode=require")
    assert login == {
        "DATABASE_HOST": "db.example",
        "DATABASE_PORT": "6000",
        "DATABASE_NAME": "my db",
        "DATABASE_USER": "us@er",
        "DATABASE_PASSWORD": "p/w",
        "DATABASE_SSLMODE": "require",
    }


def test_a_socket_is_named_as_libpq_names_it() -> None:
    login = _login("postgresql://me@/orders?host=/run/postgresql")
    assert (login["DATABASE_HOST"], login["DATABASE_NAME"]) == ("/run/postgresql", "orders")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("tables: {}\n", None),
        ("# reviewed: false\ntables: {}  # how: review\n", None),
        ("reviewed: false\ntables: {}\n", 0),
        ("tables: {t: {columns: {a: {how: review}}}}\n", 1),
    ],
)
def test_a_draft_is_recognized(text: str, count: int | None) -> None:
    assert open_rules(text) == count
