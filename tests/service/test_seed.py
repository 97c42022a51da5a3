from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from psycopg2.extensions import set_wait_callback

from service.database import deadline
from service.inputs import EMAIL_PATTERN, LINE_PATTERN, PHONE_PATTERN
from service.seed import canaries
from service.seed.__main__ import main, seed
from service.seed.rows import BATCH, batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection

    from tests.service.conftest import PreparedDatabase


@pytest.fixture
def database(migrated: PreparedDatabase) -> Iterator[connection]:
    # psycopg2 does no COPY while a callback waits for it; the seed is a process of its own.
    set_wait_callback(None)
    with closing(
        migrated.server.connect(migrated.name, user="app", password="only-for-tests")
    ) as opened:
        try:
            yield opened
        finally:
            opened.rollback()
            migrated.server.execute("TRUNCATE customers", database=migrated.name)
            deadline.install()


def count(database: connection, what: str = "*") -> int:
    with database, database.cursor() as cursor:
        cursor.execute(f"SELECT count({what}) FROM customers")
        row = cursor.fetchone()
        assert row is not None
        number: int = row[0]
        return number


def test_twice_the_same_is_not_twice_as_much(database: connection) -> None:
    assert seed(database, rows=1500, number=1) == 1500
    assert seed(database, rows=1500, number=1) == 0
    assert seed(database, rows=2000, number=1) == 500
    assert count(database) == count(database, "DISTINCT email") == 2000


def test_what_is_missing_is_added_again(database: connection) -> None:
    seed(database, rows=100, number=1)
    with database, database.cursor() as cursor:
        cursor.execute("DELETE FROM customers WHERE plan = 'free'")
        missing = cursor.rowcount
    assert seed(database, rows=100, number=1) == missing > 0


def test_another_seed_makes_other_customers(database: connection) -> None:
    assert seed(database, rows=50, number=1) + seed(database, rows=50, number=2) == 100
    assert count(database, "DISTINCT email") == 100


def test_rows_depend_on_the_seed_alone_and_fewer_are_the_first_of_more() -> None:
    few = [line for _, lines in batches(7, 100) for line in lines]
    many = [line for _, lines in batches(7, BATCH + 3) for line in lines]
    assert len(many) == BATCH + 3
    assert many[:100] == few
    # Known on every machine and version of Python; another value would double staging's rows.
    assert few[0].startswith("a015b8b4-d19f-435a-a9c2-e89da74e3d0f\t")


def test_rows_look_real_and_reach_nobody() -> None:
    for line in (line for _, lines in batches(1, 3000) for line in lines):
        _, name, email, phone, company, plan, _, made, changed = line.rstrip("\n").split("\t")
        assert re.fullmatch(LINE_PATTERN, name)
        assert re.fullmatch(EMAIL_PATTERN, email)
        assert email.split("@")[1] in {"example.com", "example.net", "example.org"}
        assert phone == r"\N" or re.fullmatch(PHONE_PATTERN, phone)
        assert company == r"\N" or re.fullmatch(LINE_PATTERN, company)
        assert plan in {"free", "starter", "business", "enterprise"}
        assert made <= changed


def test_as_a_command(
    database: connection,
    migrated: PreparedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in migrated.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["--rows", "20"]) == 0
    assert re.match(r"seed: added 20 of 20 customers in [\d.]+ s\n", capsys.readouterr().out)
    assert count(database) == 20
    monkeypatch.setenv("DATABASE_PASSWORD", "wrong")
    assert main(["--rows", "20"]) == 1
    assert "password authentication failed" in capsys.readouterr().err
    monkeypatch.delenv("DATABASE_HOST")
    assert main(["--rows", "20"]) == 2
    assert "DATABASE_HOST" in capsys.readouterr().err


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_a_wrong_number_is_refused(rows: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--rows", rows])
    assert stopped.value.code == 2
    assert "--rows" in capsys.readouterr().err


def test_canaries_are_there_once_in_every_table_and_recognised_by_each_mark(
    database: connection, migrated: PreparedDatabase
) -> None:
    canaries.release(database)
    canaries.release(database)
    with database, database.cursor() as cursor:
        cursor.execute(
            "SELECT c::text FROM customers AS c UNION ALL SELECT k::text FROM idempotency_keys AS k"
        )
        stored = [row for (row,) in cursor.fetchall()]
    migrated.server.execute("TRUNCATE idempotency_keys", database=migrated.name)
    assert len(stored) == 4
    for mark in canaries.MARKS:
        assert any(mark in row for row in stored), mark
    assert all(any(mark in row for mark in canaries.MARKS) for row in stored)


def test_variables_stand_for_the_options_that_are_not_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "--rows" in capsys.readouterr().err
    monkeypatch.setenv("SEED_ROWS", "none")
    with pytest.raises(SystemExit):
        main([])
    assert "invalid" in capsys.readouterr().err
