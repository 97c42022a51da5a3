"""Marks of invented people, searched for in all tables by PostgreSQL's own dump."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing

import pytest
from psycopg2.extensions import set_wait_callback

from database.prepare import prepare
from database.scrub import ScrubError, load
from database.scrub.rules import Keep
from service.seed import canaries
from service.seed.__main__ import seed
from tests.database.conftest import Copy
from tests.service.postgres import CLIENTS


@pytest.fixture
def seeded(staging: Copy) -> Copy:
    """Staging's rows, with canaries among them."""
    set_wait_callback(None)
    with closing(staging.connect("app")) as app:
        seed(app, rows=2000, number=1)
        canaries.release(app)
    return staging


def dump(copy: Copy) -> str:
    server = copy.database.server
    return subprocess.run(
        [CLIENTS / "pg_dump", f"--host={server.address}", "--username=master",
         copy.database.name],
        env=os.environ | {"PGPASSWORD": server.password},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_staging_s_canaries_are_found_before_and_nowhere_after(seeded: Copy) -> None:
    before = dump(seeded)
    assert [mark for mark in canaries.MARKS if mark not in before] == []
    prepare(seeded.database.prepare, load())
    after = dump(seeded)
    assert [mark for mark in canaries.MARKS if mark in after] == []
    assert after.count("@example.com\t") == 2003
    assert seeded.execute("SELECT count(*) FROM customers", user="app") == [(2003,)]


@pytest.mark.parametrize("column", ["email", "phone", "notes"])
def test_the_proof_finds_a_canary_in_a_column_that_was_kept_by_mistake(
    seeded: Copy, column: str
) -> None:
    rules = load()
    customers = rules.tables["customers"]
    kept = customers.columns | {column: Keep(how="keep", why="by mistake")}
    careless = customers.model_copy(update={"columns": kept})
    rules = rules.model_copy(update={"tables": rules.tables | {"customers": careless}})
    with pytest.raises(ScrubError) as error:
        seeded.scrub(rules)
    assert f"customers.{column} contains " in str(error.value)
    assert not any(mark in str(error.value) for mark in canaries.MARKS)
