from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg2
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlmodel import SQLModel

from service import migrate as module
from service.database.migration import migration_engine
from service.migrate import MigrationError, alembic_config, main, migrate
from tests.service.process import ServiceProcess

if TYPE_CHECKING:
    from tests.service.conftest import PreparedDatabase

PROJECT = Path(__file__).parents[2]
REVISIONS = [
    script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()
]
HEAD = REVISIONS[0]


@pytest.fixture
def prepared(empty_database: PreparedDatabase) -> PreparedDatabase:
    empty_database.prepare()
    return empty_database


@pytest.fixture
def as_migrator(prepared: PreparedDatabase, monkeypatch: pytest.MonkeyPatch) -> PreparedDatabase:
    for name, value in prepared.environment("migrator").items():
        monkeypatch.setenv(name, value)
    return prepared


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


def test_the_schema_is_what_the_models_say(as_migrator: PreparedDatabase) -> None:
    assert main() == 0
    command.check(alembic_config())
    with migration_engine(as_migrator.migrator).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_every_constraint_is_named_by_the_convention(migrated: PreparedDatabase) -> None:
    with migration_engine(migrated.migrator).connect() as connection:
        names = connection.scalars(
            text(
                "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
                " AND contype <> 'n' AND conrelid <> 'alembic_version'::regclass"
                " UNION SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
                " AND tablename <> 'alembic_version'"
            )
        ).all()
    assert names
    assert {name.split("_")[0] for name in names} <= {"pk", "uq", "ck", "fk", "ix"}


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_step_limits_its_waiting(revision: str) -> None:
    script = ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    source = Path(script.path).read_text()
    assert "SET LOCAL lock_timeout" in source
    assert "SET LOCAL statement_timeout" in source
    assert "Compatible with the version before" in source or script.down_revision is None


def test_every_step_can_be_undone_and_done_again(as_migrator: PreparedDatabase) -> None:
    config = alembic_config()
    for revision in reversed(REVISIONS):
        command.upgrade(config, revision)
        command.downgrade(config, "-1")
        command.upgrade(config, revision)
    command.downgrade(config, "base")
    with migration_engine(as_migrator.migrator).connect() as connection:
        left = connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        ).all()
    assert set(left) <= {"alembic_version", "alembic_version_pkc"}


def test_each_step_is_reported_and_a_second_run_does_nothing(
    as_migrator: PreparedDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main() == 0
    output = capsys.readouterr().out.splitlines()
    assert (
        output[0]
        == f"migrate: database is at no revision, this image at {HEAD}: {len(REVISIONS)} to apply"
    )
    assert output[1].startswith(f"migrate: 1/{len(REVISIONS)} applied 0001 (Customers)")
    assert output[-1] == "migrate: done"
    assert main() == 0
    assert f"database is at {HEAD}, this image at {HEAD}: 0 to apply" in capsys.readouterr().out


def test_a_step_that_fails_is_undone_and_reported_last(
    as_migrator: PreparedDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    with migration_engine(as_migrator.migrator).connect() as connection:
        connection.execute(text("CREATE TABLE idempotency_keys (mine int)"))
        connection.commit()
    assert main() == 1
    output = capsys.readouterr()
    assert "1/2 applied 0001" in output.out
    last = output.err.splitlines()[-1]
    assert last.startswith("migrate: step 0002 (Idempotency keys) failed and was undone: ")
    assert "already exists" in last
    with migration_engine(as_migrator.migrator).connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0001"


def test_a_database_from_another_version_is_refused(
    as_migrator: PreparedDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main() == 0
    with migration_engine(as_migrator.migrator).connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
        connection.commit()
    assert main() == 1
    assert "revision ffff, which this image does not have" in capsys.readouterr().err


def test_two_heads_are_refused(prepared: PreparedDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptDirectory, "get_heads", lambda _: ["b", "a"])
    with (
        migration_engine(prepared.migrator).connect() as connection,
        pytest.raises(MigrationError, match=r"expected one head, found 2: a, b\. Rebase"),
    ):
        migrate(connection)


def test_a_refused_login_is_reported(
    as_migrator: PreparedDatabase,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "not-the-password")
    assert main() == 1
    output = capsys.readouterr().err
    assert "password authentication failed" in output
    assert "not-the-password" not in output


def test_a_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_HOST", "db")
    assert main() == 2
    output = capsys.readouterr().err
    assert "DATABASE_NAME: Field required" in output
    assert "DATABASE_PASSWORD: Field required" in output
    assert "DATABASE_HOST" not in output


def test_two_migrations_at_once_run_one_after_the_other(prepared: PreparedDatabase) -> None:
    environment = os.environ | prepared.environment("migrator")
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "service.migrate"],
            env=environment,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    output = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(f"{len(REVISIONS)} to apply" in one for one in output) == [False, True]


def test_sql_can_be_written_for_review(capsys: pytest.CaptureFixture[str]) -> None:
    command.upgrade(alembic_config(), "head", sql=True)
    assert "CREATE TABLE customers" in capsys.readouterr().out


def _code_before(revision: str, folder: Path) -> Path:
    """The service as it was before ``revision`` was added."""
    path = next((PROJECT / "service/migrations/versions").glob(f"{revision}_*.py"))

    def git(*arguments: str) -> bytes:
        return subprocess.run(
            ["git", "-c", f"safe.directory={PROJECT}", *arguments],
            cwd=PROJECT, check=True, capture_output=True,
        ).stdout  # fmt: skip

    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(path)).decode().strip()
    if not added:
        pytest.skip(f"{path.name} is not committed yet: there is no version before it")
    archive = git("archive", f"{added}^", "service")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.mark.skipif(
    not (PROJECT / ".git").exists() or shutil.which("git") is None,
    reason="the version before is taken from git",
)
def test_the_version_before_works_on_this_schema(
    as_migrator: PreparedDatabase, tmp_path: Path
) -> None:
    """During a rollout both run: the code of N-1 must not notice the schema of N."""
    before = _code_before(HEAD, tmp_path)
    assert not list((before / "service/migrations/versions").glob(f"{HEAD}_*"))
    assert main() == 0
    with ServiceProcess.start(as_migrator.environment("app"), code=before) as service:
        client = httpx.Client(base_url=service.url)
        created = client.post("/customers", json={"name": "Old", "email": "old@example.com"})
        assert created.status_code == 201
        path = created.headers["location"]
        changed = client.patch(
            path, json={"name": "Older"}, headers={"If-Match": created.headers["etag"]}
        )
        assert changed.status_code == 200
        assert [row["name"] for row in client.get("/customers").json()["items"]] == ["Older"]
        deleted = client.delete(path, headers={"If-Match": changed.headers["etag"]})
        assert deleted.status_code == 204


def test_the_application_may_not_migrate(
    as_migrator: PreparedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_USER", "app")
    assert main() == 1
    assert module.main() == 1
    connection = as_migrator.server.connect(as_migrator.name, user="app", password="only-for-tests")
    with (
        connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("CREATE TABLE mine ()")
    connection.close()
