from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from database import prepare as module
from tests.database.conftest import KEEP, MEMBERS, PASSWORD, Copy

PROJECT = Path(__file__).parents[2]


def write_rules(path: Path, **members: Any) -> None:
    """Write the rules of `staging`, with other ones of some columns; JSON is YAML."""
    content = MEMBERS.model_dump(exclude_defaults=True)
    content["tables"]["members"]["columns"] |= members
    path.write_text(json.dumps(content))


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "scrub.yaml"
    write_rules(path)
    return path


@pytest.fixture
def as_job(staging: Copy, rules_file: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A snapshot with a row in it, and the environment that the Job of a copy has."""
    for name, value in staging.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREPARE_CONTENT", "copy")
    monkeypatch.setenv("SCRUB_RULES", str(rules_file))
    return staging


def test_roles_may_connect_after_the_proof_and_find_no_one_real(
    as_job: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert module.main() == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith("scrub: 1 rows of 1 tables scrubbed, 1 tables emptied in ")
    assert output[1].startswith("scrub: proven")
    assert output[-1] == "prepare: done"
    assert not any(PASSWORD in line for line in output)
    ((row,),) = as_job.execute("SELECT m::text FROM members AS m", user="app")
    for real in ("Ada", "Lovelace", "lovelace", "title"):
        assert real not in row
    assert module.main() == 0
    assert "scrubbed and proven before" in capsys.readouterr().out
    assert as_job.execute("SELECT m::text FROM members AS m", user="app") == [(row,)]


def test_a_column_that_nobody_classified_is_named_last_and_nobody_may_connect(
    as_job: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    as_job.execute("ALTER TABLE members ADD COLUMN fax text", user="migrator")
    assert module.main() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "members.fax is not classified" in last
    assert "Correct scrub.yaml on the default branch, and bring staging up" in last
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        as_job.connect("app")


def test_the_next_try_uses_corrected_rules(as_job: Copy, rules_file: Path) -> None:
    write_rules(rules_file, notes=KEEP)
    as_job.execute("UPDATE members SET notes = 'ask ada@lovelace.dev'", user="migrator")
    assert module.main() == 1
    write_rules(rules_file)
    assert module.main() == 0
    assert as_job.column("SELECT count(*) FROM members WHERE notes ~ 'lovelace'") == [0]


def test_what_the_proof_finds_is_named_and_nobody_may_connect(
    as_job: Copy, rules_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rules(rules_file, notes=KEEP)
    as_job.execute("UPDATE members SET notes = 'ask ada@lovelace.dev'", user="migrator")
    assert module.main() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "members.notes contains an email address outside" in last
    assert "ada@" not in last
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        as_job.connect("app")


def test_an_original_gets_its_roles_and_keeps_its_data(
    as_job: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREPARE_CONTENT", "original")
    monkeypatch.delenv("SCRUB_RULES")
    assert module.main() == 0
    assert "scrub" not in capsys.readouterr().out
    assert as_job.execute("SELECT name FROM members", user="app") == [("Ada Lovelace",)]
    assert as_job.column("SELECT count(*) FROM pg_namespace WHERE nspname = 'scrub'") == [0]
    with pytest.raises(InsufficientPrivilege):
        as_job.execute("DROP TABLE members", user="app")


def test_a_copy_whose_scrub_was_not_proven_is_no_original(
    as_job: Copy,
    rules_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_rules(rules_file, notes=KEEP)
    as_job.execute("UPDATE members SET notes = 'ask ada@lovelace.dev'", user="migrator")
    assert module.main() == 1
    monkeypatch.setenv("PREPARE_CONTENT", "original")
    assert module.main() == 1
    assert "has begun and was never proven" in capsys.readouterr().err
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        as_job.connect("app")


@pytest.mark.parametrize("content", [None, "", "Copy", "yes"])
def test_without_its_content_nothing_is_done(
    as_job: Copy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
) -> None:
    if content is None:
        monkeypatch.delenv("PREPARE_CONTENT")
    else:
        monkeypatch.setenv("PREPARE_CONTENT", content)
    assert module.main() == 2
    assert "PREPARE_CONTENT: " in capsys.readouterr().err
    assert as_job.column("SELECT name FROM members") == ["Ada Lovelace"]


def test_a_copy_is_not_prepared_without_rules(
    as_job: Copy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SCRUB_RULES")
    assert module.main() == 2
    assert "SCRUB_RULES: Field required" in capsys.readouterr().err
    monkeypatch.setenv("SCRUB_RULES", "/nowhere/scrub.yaml")
    assert module.main() == 1
    assert "scrub: scrub.yaml can't be read" in capsys.readouterr().err


def test_a_refused_login_and_a_missing_variable_are_reported(
    as_job: Copy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_MASTER_PASSWORD", "not-the-password")
    assert module.main() == 1
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert output.startswith("prepare: ")
    assert "password authentication failed" in output
    assert "not-the-password" not in output
    monkeypatch.delenv("DATABASE_NAME")
    monkeypatch.setenv("DATABASE_APP_PASSWORD", "short")
    assert module.main() == 2
    output = capsys.readouterr().err
    assert "DATABASE_NAME: Field required" in output
    assert "DATABASE_APP_PASSWORD: " in output


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("database.prepare", "PREPARE_CONTENT"),
        ("database.branches.template", "DATABASE_HOST"),
        ("database.branches", "BRANCHES_NAMESPACE"),
    ],
)
def test_each_is_a_command(name: str, variable: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", name],
        cwd=PROJECT, env={}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert f"{variable}: Field required" in ended.stderr


def test_every_block_of_every_table_is_read(copy: Copy) -> None:
    copy.execute(
        "CREATE TABLE rows AS SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "CREATE INDEX ON rows (n)",
        "CREATE MATERIALIZED VIEW few AS SELECT n FROM rows LIMIT 5",
        "ANALYZE",
    )
    server = copy.server
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
