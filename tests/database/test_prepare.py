from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from database import prepare as module
from database.scrub import __main__ as command
from tests.database.conftest import PASSWORD, Copy

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def as_job(staging: Copy, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A snapshot with a row in it, and the environment that the Job has."""
    staging.execute(
        "INSERT INTO customers (name, email, phone, plan, notes) VALUES"
        " ('Ada Lovelace', 'ada@lovelace.dev', '+493023125000', 'free', 'Bearer of the title')",
        user="app",
    )
    for user in ("master", "migrator", "app"):
        monkeypatch.setenv(f"DATABASE_{user.upper()}_USER", {"master": "boss"}.get(user, user))
        monkeypatch.setenv(f"DATABASE_{user.upper()}_PASSWORD", PASSWORD)
    for name, value in staging.database.environment("boss").items():
        monkeypatch.setenv(name, value)
    return staging


def test_roles_may_connect_after_the_proof_and_find_no_one_real(
    as_job: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert module.main() == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith("scrub: 1 rows of 1 tables scrubbed, 1 tables emptied in ")
    assert output[1].startswith("scrub: proven")
    ((row,),) = as_job.execute("SELECT c::text FROM customers AS c", user="app")
    for real in ("Ada", "Lovelace", "lovelace", "+4930", "title"):
        assert real not in row
    assert module.main() == 0
    assert "scrubbed and proven before" in capsys.readouterr().out
    assert as_job.execute("SELECT c::text FROM customers AS c", user="app") == [(row,)]


def test_a_column_that_nobody_classified_is_named_last_and_nobody_may_connect(
    as_job: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    as_job.execute("SET ROLE migrator", "ALTER TABLE customers ADD COLUMN fax text")
    assert module.main() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "customers.fax is not classified" in last
    assert "database/scrub.yaml" in last
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        as_job.connect("app")


def test_what_the_proof_finds_is_named_and_nobody_may_connect(
    as_job: Copy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = module.scrub.load()
    kept = rules.tables["customers"].columns | {
        "notes": rules.tables["customers"].columns["plan"],
    }
    careless = rules.model_copy(
        update={
            "tables": rules.tables
            | {"customers": rules.tables["customers"].model_copy(update={"columns": kept})}
        }
    )
    monkeypatch.setattr(module.scrub, "load", lambda: careless)
    as_job.execute("UPDATE customers SET notes = 'ask ada@lovelace.dev'", user="app")
    assert module.main() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "customers.notes contains an email address outside" in last
    assert "ada@" not in last
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        as_job.connect("app")


def test_a_database_can_be_scrubbed_by_itself(
    as_job: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "scrub: proven"
    assert as_job.column("SELECT count(*) FROM customers WHERE email ~ '^user-'") == [1]
    assert command.main() == 0


def test_a_refused_login_and_a_missing_variable_are_reported(
    as_job: Copy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_MASTER_PASSWORD", "not-the-password")
    monkeypatch.setenv("DATABASE_PASSWORD", "not-the-password")
    assert (module.main(), command.main()) == (1, 1)
    output = capsys.readouterr().err
    assert output.count("password authentication failed") == 2
    assert "not-the-password" not in output
    monkeypatch.delenv("DATABASE_NAME")
    assert (module.main(), command.main()) == (2, 2)
    assert capsys.readouterr().err.count("DATABASE_NAME: Field required") == 2


@pytest.mark.parametrize("name", ["database.prepare", "database.scrub"])
def test_each_is_a_command(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", name],
        cwd=PROJECT, env={}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "DATABASE_HOST: Field required" in ended.stderr


def test_every_block_of_every_table_is_read(copy: Copy) -> None:
    copy.execute(
        "CREATE TABLE rows AS SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "CREATE INDEX ON rows (n)",
        "CREATE MATERIALIZED VIEW few AS SELECT n FROM rows LIMIT 5",
        "ANALYZE",
    )
    server = copy.database.server
    # With a new server nothing is in its buffers.
    server.stop()
    server.start()
    with closing(copy.connect()) as one:
        assert module.warm(one) >= copy.column("SELECT pg_relation_size('rows')")[0] > 2 * 2**20
        with one.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
        one.commit()
    seen = copy.execute(
        "SELECT relname::text, heap_blks_read + heap_blks_hit >= pg_relation_size(relid) / 8192"
        " FROM pg_statio_user_tables ORDER BY 1"
    )
    assert seen == [("few", True), ("rows", True)]
