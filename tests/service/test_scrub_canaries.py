"""Marks of invented people, searched for in all tables by PostgreSQL's own dump."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing

import pytest
from psycopg2.extensions import connection, set_wait_callback

from database.prepare import prepare_copy
from database.scrub import Rules, ScrubError, load, scrub_and_prove
from database.scrub.rules import Keep
from service.database.migration import migration_engine
from service.migrate import migrate
from service.seed import canaries
from service.seed.__main__ import seed
from tests.service.conftest import PASSWORD, PreparedDatabase
from tests.service.postgres import CLIENTS
from tests.service.test_scrub_rules import RULES


@pytest.fixture
def seeded(empty_database: PreparedDatabase) -> PreparedDatabase:
    """Staging's rows, with canaries among them."""
    empty_database.prepare()
    with migration_engine(empty_database.migrator).connect() as opened:
        migrate(opened)
    set_wait_callback(None)
    with closing(connect(empty_database, "app")) as app:
        seed(app, rows=2000, number=1)
        canaries.release(app)
    return empty_database


def connect(database: PreparedDatabase, user: str) -> connection:
    return database.server.connect(database.name, user=user, password=PASSWORD)


def scrub(database: PreparedDatabase, rules: Rules) -> None:
    with closing(connect(database, "boss")) as one, closing(connect(database, "boss")) as other:
        scrub_and_prove(one, other, rules=rules, report=lambda _: None)


def dump(database: PreparedDatabase) -> str:
    server = database.server
    return subprocess.run(
        [CLIENTS / "pg_dump", f"--host={server.address}", "--username=master",
         database.name],
        env=os.environ | {"PGPASSWORD": server.password},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_staging_s_canaries_are_found_before_and_nowhere_after(seeded: PreparedDatabase) -> None:
    before = dump(seeded)
    assert [mark for mark in canaries.MARKS if mark not in before] == []
    prepare_copy(seeded.access, load(RULES))
    after = dump(seeded)
    assert [mark for mark in canaries.MARKS if mark in after] == []
    assert after.count("@example.com\t") == 2003
    with closing(connect(seeded, "app")) as app, app.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customers")
        assert cursor.fetchall() == [(2003,)]


@pytest.mark.parametrize("column", ["email", "phone", "notes"])
def test_the_proof_finds_a_canary_in_a_column_that_was_kept_by_mistake(
    seeded: PreparedDatabase, column: str
) -> None:
    rules = load(RULES)
    customers = rules.tables["customers"]
    kept = customers.columns | {column: Keep(how="keep", why="by mistake")}
    careless = customers.model_copy(update={"columns": kept})
    rules = rules.model_copy(update={"tables": rules.tables | {"customers": careless}})
    with pytest.raises(ScrubError) as error:
        scrub(seeded, rules)
    assert f"customers.{column} contains " in str(error.value)
    assert not any(mark in str(error.value) for mark in canaries.MARKS)
