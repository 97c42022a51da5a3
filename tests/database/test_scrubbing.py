from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from database.scrub import ScrubError, engine, prove, run, scrub_and_prove
from database.scrub.rules import Rules
from tests.database.conftest import KEEP, MEMBERS, PASSWORD, Copy, fake, rules

PEOPLE = rules(
    people={"id": KEEP, "email": fake("email"), "name": fake("person"), "born": fake("year")},
    letters={"id": KEEP, "sender": fake("email"), "body": fake("text"), "secret": {"how": "hash"}},
    sessions="tokens of those who were logged in",
)


@pytest.fixture
def people(copy: Copy) -> Copy:
    """Two tables that join by an address, and one to be emptied."""
    copy.execute(
        "CREATE TABLE people (id int PRIMARY KEY, email varchar(60) UNIQUE NOT NULL,"
        " name text COLLATE \"C\" NOT NULL DEFAULT 'nobody' CHECK (name <> ''), born date)",
        "CREATE TABLE letters (id int PRIMARY KEY, sender varchar(60) REFERENCES people (email),"
        " body text, secret text)",
        "CREATE TABLE sessions (token text)",
        "CREATE INDEX by_name ON people (lower(name), born)",
        "INSERT INTO people SELECT n, format('p%s@real.test', n), format('Person %s', n),"
        " date '1970-03-04' + n FROM generate_series(1, 500) AS n",
        "INSERT INTO letters SELECT n,"
        " CASE WHEN n % 7 > 0 THEN format('p%s@real.test', 1 + n % 500) END,"
        " repeat('dear ', n % 9), md5(n::text) FROM generate_series(1, 1000) AS n",
        "INSERT INTO sessions VALUES ('a-token-of-somebody')",
    )
    return copy


def schema(copy: Copy) -> list[tuple[Any, ...]]:
    """Columns, constraints and indexes, as definitions."""
    return copy.execute(
        "SELECT 'column', table_name, column_name || ' ' || data_type || ' ' || is_nullable"
        " || coalesce(collation_name, '') || coalesce(column_default, '')"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        " UNION ALL SELECT 'constraint', conrelid::regclass::text,"
        " conname || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'index', tablename, indexdef FROM pg_indexes"
        " WHERE schemaname = 'public' ORDER BY 1, 2, 3"
    )


def everything(copy: Copy) -> str:
    """All that pg_dump would write of the rows."""
    tables = copy.column(
        "SELECT oid::regclass::text FROM pg_class"
        " WHERE relkind IN ('r', 'm') AND relnamespace <> ALL ("
        "  SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|information_schema')"
    )
    rows = (copy.column(f"SELECT t::text FROM {table} AS t") for table in tables)
    statistics = copy.column("SELECT s::text FROM pg_stats AS s WHERE schemaname <> 'pg_catalog'")
    return "\n".join([*(row for table in rows for row in table), *statistics])


def test_joins_still_join_and_nothing_real_is_left(people: Copy) -> None:
    before = schema(people)
    joined = "SELECT l.id, p.id FROM letters AS l JOIN people AS p ON p.email = l.sender ORDER BY 1"
    pairs = people.execute(joined)
    people.execute("ANALYZE")
    people.scrub(PEOPLE)
    assert people.execute(joined) == pairs != []
    assert schema(people) == before
    left = everything(people)
    assert "real.test" not in left
    assert "dear" not in left
    assert "Person" not in left
    assert "a-token-of-somebody" not in left
    assert people.column("SELECT count(DISTINCT email) FROM people") == [500]
    assert people.column("SELECT count(*) FROM letters WHERE sender IS NULL") == [143 - 1]
    assert people.column("SELECT count(*) FROM sessions") == [0]
    assert set(people.column("SELECT to_char(born, 'MM-DD') FROM people")) == {"01-01"}
    lengths = people.column("SELECT DISTINCT length(body) FROM letters ORDER BY 1")
    assert lengths == [5 * n for n in range(9)]


def test_the_salt_is_gone_and_no_statement_held_it(people: Copy) -> None:
    with closing(people.connect()) as one:
        run(one, rules=PEOPLE)
        (salt,) = people.column("SELECT salt FROM scrub.salt")
        assert len(salt) == 64
        prove(one, rules=PEOPLE)
    assert people.column("SELECT to_regclass('scrub.salt')::text") == [None]
    left = "SELECT relname::text FROM pg_class WHERE relnamespace = 'scrub'::regnamespace"
    assert people.column(f"{left} AND relkind = 'r'") == ["finished"]
    assert salt not in (people.server.folder / "log").read_text()


def test_two_scrubs_have_two_salts(people: Copy) -> None:
    people.scrub(PEOPLE)
    first = people.column("SELECT email FROM people ORDER BY id")
    people.execute(
        "DROP SCHEMA scrub CASCADE",
        "ALTER TABLE letters DROP CONSTRAINT letters_sender_fkey",
        "UPDATE people SET email = format('p%s@real.test', id)",
    )
    people.scrub(PEOPLE)
    assert not set(first) & set(people.column("SELECT email FROM people"))


def changed(**columns: Any) -> Rules:
    """The rules, but for some columns of ``people``."""
    tables = PEOPLE.model_dump(mode="json", exclude_unset=True)
    tables["tables"]["people"]["columns"].update(columns)
    return Rules.model_validate(tables)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        (rules(people={"id": KEEP}), "people.email is not classified: add a rule for it"),
        (changed(email=fake("person")), "people.email is in a unique index, which fakes of kind"),
        (changed(email=fake("uuid")), "letters.sender refers to people.email (letters_se"),
        (changed(email={"how": "null"}), "people.email is NOT NULL"),
        (changed(born=fake("email")), "people.born has type date, which can't store a fake"),
        (changed(id={"how": "hash"}), "people.id has type integer, which can't store a hash"),
        (changed(email={"how": "constant", "value": "x"}), "people.email is in a unique index"),
        (
            rules(people="must not be there", letters={"sender": KEEP}),
            "refers to people, which is emptied",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_by_name_and_nobody_may_connect(
    people: Copy, wrong: Rules, refusal: str
) -> None:
    people.execute(f"GRANT CONNECT ON DATABASE {people.name} TO pg_monitor")
    before = people.execute("SELECT * FROM people ORDER BY id")
    with pytest.raises(ScrubError) as error:
        people.scrub(wrong)
    assert refusal in str(error.value)
    assert people.execute("SELECT * FROM people ORDER BY id") == before
    assert may_connect(people) == {"boss"}
    # With the rules set right the same copy goes on.
    people.scrub(PEOPLE)


def may_connect(copy: Copy) -> set[str]:
    return set(
        copy.column(
            "SELECT coalesce(nullif(acl.grantee, 0)::regrole::text, 'everybody')"
            " FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl"
            " WHERE datname = current_database() AND privilege_type = 'CONNECT'"
        )
    )


def test_a_snapshot_that_is_behind_may_lack_columns_and_none_may_have_more(staging: Copy) -> None:
    staging.execute("SET ROLE migrator", "ALTER TABLE members RENAME COLUMN notes TO remarks")
    with pytest.raises(ScrubError, match=r"members\.remarks is not classified") as error:
        staging.scrub(MEMBERS)
    # It may be a misspelled name in the rules.
    assert "column members.notes has a rule but does not exist" in str(error.value)
    staging.execute("SET ROLE migrator", "ALTER TABLE members DROP COLUMN remarks")
    lines: list[str] = []
    with closing(staging.connect()) as one:
        scrub_and_prove(one, rules=MEMBERS, report=lines.append)
    assert lines[1].startswith("column members.notes has a rule but does not exist: remove")
    assert lines[2].startswith("proven")


def test_a_column_that_a_migration_drops_may_be_there_and_not(people: Copy) -> None:
    people.scrub(changed(fax={**KEEP, "leaving": True}))
    assert "real.test" not in everything(people)


def test_a_database_in_use_is_left_alone(staging: Copy) -> None:
    with closing(staging.connect("app")), pytest.raises(ScrubError) as error:
        staging.scrub(MEMBERS)
    assert "roles app are connected to this database, so it is not a fresh copy" in str(error.value)
    assert may_connect(staging) == {"boss", "migrator", "app"}
    staging.scrub(MEMBERS)
    assert may_connect(staging) == {"boss"}
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        staging.connect("app")
    staging.grant()
    staging.connect("app").close()


def test_what_was_proven_is_left_as_it_is(people: Copy) -> None:
    people.scrub(PEOPLE)
    people.execute("UPDATE people SET name = 'Mine' WHERE id = 1")
    before = everything(people)
    # Somebody works in it by now, and what it holds is theirs.
    people.execute(f"GRANT CONNECT ON DATABASE {people.name} TO pg_monitor")
    people.scrub(PEOPLE)
    assert everything(people) == before
    assert "pg_monitor" in may_connect(people)


def test_views_triggers_parts_and_generated_columns_are_scrubbed_too(copy: Copy) -> None:
    copy.execute(
        "CREATE TABLE people (id int, email text NOT NULL, name text,"
        " shout text GENERATED ALWAYS AS (upper(name)) STORED)",
        "CREATE VIEW names AS SELECT id, name FROM people",
        "CREATE MATERIALIZED VIEW addresses AS SELECT email FROM people",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'not by hand'; END $$",
        "CREATE TABLE visits (day date, visitor text, ip inet) PARTITION BY RANGE (day)",
        "CREATE TABLE visits_1 PARTITION OF visits"
        " FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "CREATE SCHEMA other",
        "CREATE TABLE other.notes"
        " (at timestamptz, data jsonb, raw bytea, code char(20), tags text[])",
        "INSERT INTO people SELECT n, format('p%s@real.test', n), 'Real ' || n"
        " FROM generate_series(1, 50) AS n",
        "INSERT INTO visits VALUES ('2020-02-02', 'Real Visitor', '198.51.100.7')",
        "INSERT INTO other.notes VALUES (now(), '{\"of\": \"real@real.test\"}', 'real', 'real',"
        " '{real@real.test}')",
        "CREATE TRIGGER guard BEFORE UPDATE OF email ON people FOR EACH ROW"
        " EXECUTE FUNCTION refuse()",
        "REFRESH MATERIALIZED VIEW addresses",
        "ANALYZE",
    )
    copy.scrub(
        rules(
            people={"id": KEEP, "email": fake("email"), "name": fake("person")},
            visits={"day": KEEP, "visitor": fake("username"), "ip": fake("ip")},
            **{
                "other.notes": {
                    "at": fake("year"),
                    "data": {"how": "constant", "value": {"of": None}},
                    "raw": {"how": "hash"},
                    "code": {"how": "hash"},
                    "tags": {"how": "null"},
                }
            },
        )
    )
    left = everything(copy)
    assert "real" not in left.lower().replace("relfilenode", "")
    assert "198.51" not in left
    assert copy.column("SELECT count(*) FROM addresses WHERE email ~ '^user-'") == [50]
    assert copy.column("SELECT count(*) FROM people WHERE shout = upper(name)") == [50]
    assert copy.column("SELECT data::text FROM other.notes") == ['{"of": null}']
    assert copy.column("SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'guard'") == ["O"]
    # The old rows are out of the files as well.
    assert b"real.test" not in files(copy, "people", "visits_1", "other.notes", "addresses")


def files(copy: Copy, *tables: str) -> bytes:
    """The tables' files, as whoever copies the data folder gets them."""
    copy.server.execute("CHECKPOINT")
    folder = copy.server.folder / "data"
    paths = copy.column(
        f"SELECT pg_relation_filepath(t::regclass) FROM unnest(ARRAY{list(tables)}) AS t"
    )
    return b"".join((folder / path).read_bytes() for path in paths)


def test_what_no_rule_can_reach_is_refused(copy: Copy) -> None:
    copy.execute("SELECT lo_from_bytea(0, 'a photo')")
    with pytest.raises(ScrubError, match="contains 1 large objects"):
        copy.scrub(rules())


def test_an_application_s_own_schema_of_that_name_is_not_overlooked(copy: Copy) -> None:
    copy.execute("CREATE SCHEMA scrub", "CREATE TABLE scrub.people (name text)")
    with pytest.raises(ScrubError, match="schema scrub belongs to the application"):
        copy.scrub(rules())


# Killed wherever something may be half done, and gone on with.
_KILLED = """
import os, sys
from database.scrub import engine, run, state
from tests.database import test_scrubbing
place, host, name, password = sys.argv[1:]
owner, attribute = {
    "begin": (state, "begin"), "first": (engine, "scrub"),
    "compact": (state, "mark_compacted"), "keys": (state, "forget_foreign_keys"),
}[place]
real, calls = getattr(owner, attribute), []
def fatal(*arguments):
    calls.append(real(*arguments))
    if place != "first" or len(calls) == 2:
        os.kill(os.getpid(), 9)
    return calls[-1]
setattr(owner, attribute, fatal)
import psycopg2
connection = psycopg2.connect(host=host, dbname=name, user="boss", password=password)
run(connection, rules=test_scrubbing.PEOPLE)
"""


@pytest.fixture
def viewed(people: Copy) -> Copy:
    """With a view, so that one of the tables is updated and not rewritten."""
    people.execute("CREATE VIEW bodies AS SELECT body FROM letters")
    return people


@pytest.mark.parametrize("place", ["begin", "first", "compact", "keys"])
def test_a_killed_scrub_is_gone_on_with(viewed: Copy, place: str) -> None:
    joined = "SELECT l.id, p.id FROM letters AS l JOIN people AS p ON p.email = l.sender ORDER BY 1"
    pairs, before = viewed.execute(joined), schema(viewed)
    arguments = [place, viewed.server.address, viewed.name, PASSWORD]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, *arguments],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr
    with closing(viewed.connect()) as one, pytest.raises(ScrubError, match=r"the proof failed"):
        prove(one, rules=PEOPLE)
    viewed.scrub(PEOPLE)
    assert "real.test" not in everything(viewed)
    assert b"real.test" not in files(viewed, "people", "letters")
    assert viewed.execute(joined) == pairs
    assert schema(viewed) == before


def test_a_rule_that_changed_after_a_failed_proof_is_applied_to_its_column_alone(
    people: Copy,
) -> None:
    careless = changed(email=KEEP).tables | rules(letters="refers to people").tables
    with pytest.raises(ScrubError, match=r"people\.email contains an email address outside"):
        people.scrub(PEOPLE.model_copy(update={"tables": careless}))
    assert may_connect(people) == {"boss"}
    names = people.column("SELECT name FROM people ORDER BY id")
    people.scrub(PEOPLE)
    assert people.column("SELECT name FROM people ORDER BY id") == names
    assert "real.test" not in everything(people)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            "UPDATE people SET email = 'ada@lovelace.dev' WHERE id = 7",
            "people.email contains values that its rule does not make (1 rows)",
        ),
        (
            "UPDATE people SET name = 'Ada Lovelace'",
            "people.name contains values that its rule does not make (500 rows)",
        ),
        (
            "UPDATE letters SET body = 'call +49 30 23125000' WHERE id < 3",
            "letters.body contains a phone number",
        ),
        (
            "UPDATE letters SET secret = 'Zm9v' WHERE id < 3",
            "letters.secret contains values that its rule does not make (2 rows)",
        ),
        ("INSERT INTO sessions VALUES ('new')", "sessions is not empty (1 rows)"),
        ("CREATE TABLE copies AS SELECT 'x' AS x", "copies.x is not classified"),
        (
            "CREATE MATERIALIZED VIEW view AS SELECT 'ada@lovelace.dev' AS x",
            "view.x contains an email address outside",
        ),
    ],
)
def test_the_proof_finds_what_a_scrub_left(people: Copy, statement: str, finding: str) -> None:
    with closing(people.connect()) as one:
        run(one, rules=PEOPLE)
    people.execute(
        "ALTER TABLE letters DISABLE TRIGGER USER",
        "ALTER TABLE letters DROP CONSTRAINT IF EXISTS letters_sender_fkey",
    )
    people.execute(statement)
    with closing(people.connect()) as one, pytest.raises(ScrubError) as error:
        prove(one, rules=PEOPLE)
    assert finding in str(error.value)
    assert "lovelace.dev" not in str(error.value)
    assert "connections stay disabled" in str(error.value)


def test_the_project_s_own_assertions_are_proven(people: Copy) -> None:
    assertion = {"nobody is called Person": "SELECT FROM people WHERE name LIKE 'Person%'"}
    people.scrub(PEOPLE.model_copy(update={"proofs": assertion}))
    people.execute("DROP SCHEMA scrub CASCADE")
    assertion = {"there are no people": "SELECT FROM people"}
    with pytest.raises(ScrubError, match="there are no people: its query"):
        people.scrub(PEOPLE.model_copy(update={"proofs": assertion}))


def test_one_statement_a_table(people: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten: list[str] = []
    real = engine._rewrite

    def watched(table: Any, rules: Any) -> Any:
        rewritten.append(table.label)
        return real(table, rules)

    monkeypatch.setattr(engine, "_rewrite", watched)
    people.scrub(PEOPLE)
    assert sorted(rewritten) == ["letters", "people"]
