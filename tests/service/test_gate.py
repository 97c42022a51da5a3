from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config

from service import migrate as module
from service.gate.report import Report
from service.migrate import alembic_config, main
from tests.service.conftest import PASSWORD, PreparedDatabase
from tests.service.test_migrations import HEAD, PROJECT

STEP = '''\
"""{title}."""
from alembic import op
revision = "{revision}"
down_revision = "{before}"
def upgrade():
{body}
'''
Write = Callable[..., None]


@pytest.fixture
def database(empty_database: PreparedDatabase, monkeypatch: pytest.MonkeyPatch) -> PreparedDatabase:
    """At the head, with a thousand customers, and a limit of a fifth of a second."""
    empty_database.prepare()
    for name, value in empty_database.environment("migrator").items():
        monkeypatch.setenv(name, value)
    assert main() == 0
    run(
        empty_database,
        "INSERT INTO customers (name, email, plan)"
        " SELECT 'n', format('%s@example.com', n), 'free' FROM generate_series(1, 1000) AS n",
        "ANALYZE customers",
    )
    monkeypatch.setenv("MIGRATION_MAX_LOCK_SECONDS", "0.2")
    return empty_database


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Add revisions behind the head: for each, the statements of its step."""

    def config() -> Config:
        made = alembic_config()
        made.set_main_option("path_separator", "os")
        versions = PROJECT / "service/migrations/versions"
        made.set_main_option("version_locations", f"{versions}:{tmp_path}")
        return made

    def steps(*bodies: str | list[str]) -> None:
        before = HEAD
        for number, body in enumerate(bodies):
            revision = f"t{number}"
            lines = (
                [f"    op.execute({statement!r})" for statement in body]
                if isinstance(body, list)
                else [f"    {line}" for line in body.splitlines()]
            )
            text = STEP.format(
                title=f"Step {number}", revision=revision, before=before, body="\n".join(lines)
            )
            (tmp_path / f"{revision}.py").write_text(text)
            before = revision

    monkeypatch.setattr(module, "alembic_config", config)
    return steps


def run(database: PreparedDatabase, *statements: str) -> list[tuple[object, ...]]:
    connection = database.server.connect(database.name, user="migrator", password=PASSWORD)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def revision(database: PreparedDatabase) -> str:
    ((found,),) = run(database, "SELECT version_num FROM alembic_version")
    return str(found)


def columns(database: PreparedDatabase) -> set[object]:
    rows = run(
        database,
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'customers'::regclass"
        " AND attnum > 0 AND NOT attisdropped",
    )
    return {name for (name,) in rows}


def report(capsys: pytest.CaptureFixture[str]) -> tuple[Report, str]:
    """The report in the log, and the last line of what went wrong."""
    output = capsys.readouterr()
    (line,) = (line for line in output.out.splitlines() if line.startswith("migrate: report "))
    data = json.loads(line.removeprefix("migrate: report "))
    return Report.model_validate(data), (output.err.splitlines() or [""])[-1]


ADD = "ALTER TABLE customers ADD COLUMN region text"
SLEEP = "SELECT pg_sleep(0.5)"


def test_a_quick_step_is_applied_and_reported_with_locks_rows_and_the_difference(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        [ADD, "UPDATE customers SET region = 'eu'", "CREATE INDEX by_region ON customers (region)"],
        ["ALTER TABLE customers ALTER COLUMN region TYPE varchar(9) USING region || ''"],
        ["CREATE TABLE regions (name text)", "CREATE INDEX ON regions (name)", SLEEP],
    )
    capsys.readouterr()
    assert main() == 0
    found, _ = report(capsys)
    assert (found.before, found.head, found.refused) == (HEAD, "t2", ())
    assert [(step.revision, step.title, step.undone) for step in found.steps] == [
        ("t0", "Step 0", True), ("t1", "Step 1", True), ("t2", "Step 2", True),
    ]  # fmt: skip
    first, second, third = found.steps
    assert {(lock.table, lock.mode, lock.blocks) for lock in first.locks} == {
        ("customers", "AccessExclusiveLock", "reads and writes"),
        ("customers", "ShareLock", "writes"),
    }
    assert all(0 <= lock.seconds <= first.seconds for lock in first.locks)
    assert [(rows.table, rows.rows, rows.how) for rows in first.rows] == [
        ("customers", 1000, "changed")
    ]
    assert [(rows.table, rows.rows, rows.how) for rows in second.rows] == [
        ("customers", 1000, "rewritten")
    ]
    # Nobody can wait for a table that is not there yet.
    assert (third.locks, third.seconds >= 0.5) == ((), True)
    assert "column customers.region character varying(9)" in found.added
    assert "table regions" in found.added
    assert found.removed == ()
    assert revision(database) == "t2"


def test_a_lock_held_for_too_long_is_refused_and_nothing_is_changed(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(["CREATE TABLE more ()"], [ADD, SLEEP])
    capsys.readouterr()
    assert main() == 1
    found, last = report(capsys)
    pattern = r"step t1 \(Step 1\) would hold AccessExclusiveLock on customers for (\d+\.\d) s"
    held = re.search(pattern, last)
    assert held is not None
    # What it sleeps for, and more on a machine that does other work.
    assert float(held[1]) >= 0.5
    assert "reads and writes wait meanwhile; the limit is 0.2 s" in last
    assert "preview-long-migration" in last
    assert len(found.refused) == 1
    assert found.refused[0] in last
    assert len(found.steps) == 2
    assert (revision(database), "region" in columns(database)) == (HEAD, False)


def test_a_long_lock_that_is_meant_is_reported_and_applied(
    database: PreparedDatabase,
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATION_LONG_LOCKS_MEANT", "true")
    write([ADD, SLEEP])
    capsys.readouterr()
    assert main() == 0
    found, _ = report(capsys)
    assert (found.long_locks_meant, found.refused) == (True, ())
    assert found.steps[0].locks[0].seconds >= 0.5
    assert revision(database) == "t0"


def test_a_lock_ends_with_its_step_and_does_not_count_for_the_next(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write([ADD], ["UPDATE customers SET region = 'eu'", SLEEP])
    capsys.readouterr()
    assert main() == 0
    found, _ = report(capsys)
    assert [len(step.locks) for step in found.steps] == [1, 0]


def test_a_lock_that_the_trial_can_not_tell_apart_is_seen_before_its_step_is_committed(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write([ADD], ["ALTER TABLE customers ADD COLUMN zone text", SLEEP])
    capsys.readouterr()
    assert main() == 1
    found, last = report(capsys)
    assert "step t1 (Step 1) would hold AccessExclusiveLock on customers" in last
    assert found.refused
    assert revision(database) == "t0"
    assert {"region", "zone"} & columns(database) == {"region"}


AUTOCOMMIT = "with op.get_context().autocommit_block():\n    op.execute({!r})"


def test_a_step_outside_of_a_transaction_is_looked_at_while_it_is_applied(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    index = "CREATE INDEX CONCURRENTLY by_plan ON customers (plan)"
    write(["CREATE TABLE more ()"], AUTOCOMMIT.format(index))
    capsys.readouterr()
    assert main() == 0
    found, _ = report(capsys)
    assert [step.undone for step in found.steps] == [True, False]
    assert found.steps[1].locks == ()
    assert "CREATE INDEX by_plan ON public.customers USING btree (plan)" in "".join(found.added)
    assert revision(database) == "t1"


def test_a_long_lock_outside_of_a_transaction_stops_the_rollout(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(AUTOCOMMIT.format(f"DO $$ BEGIN LOCK customers; PERFORM {SLEEP[7:]}; END $$"))
    capsys.readouterr()
    assert main() == 1
    found, last = report(capsys)
    assert "would hold AccessExclusiveLock on customers" in last
    assert found.refused
    assert revision(database) == HEAD


def test_a_step_that_fails_is_found_before_any_is_applied(
    database: PreparedDatabase, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write([ADD], ["SELECT 1 / 0"])
    capsys.readouterr()
    assert main() == 1
    found, last = report(capsys)
    assert last.startswith("migrate: step t1 (Step 1) failed and was undone: division by zero")
    assert [step.revision for step in found.steps] == []
    assert (revision(database), "region" in columns(database)) == (HEAD, False)


def test_without_anything_to_apply_the_report_is_empty(
    database: PreparedDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main() == 0
    found, _ = report(capsys)
    assert (found.before, found.head, found.steps, found.added) == (HEAD, HEAD, (), ())


def test_without_a_limit_nothing_is_looked_at(
    database: PreparedDatabase,
    write: Write,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MIGRATION_MAX_LOCK_SECONDS")
    write([ADD, SLEEP])
    assert main() == 0
    assert "report" not in capsys.readouterr().out


def test_a_wrong_limit_is_named(
    database: PreparedDatabase,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATION_MAX_LOCK_SECONDS", "-1")
    assert main() == 2
    assert "MIGRATION_MAX_LOCK_SECONDS" in capsys.readouterr().err
