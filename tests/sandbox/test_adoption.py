"""Adoption on the sandbox: staging stands before its rules are reviewed, and previews do not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from contract.schema import ColumnSchema, DatabaseSchema, TableSchema
from contract.stack_name import AppName, StackName
from previews.clients import Clients
from previews.commands.adopt import person_who_answers
from previews.settings import Settings as PreviewsSettings
from sandbox import adoption, cli, filling, staging
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.stacks import Stacks
from tests.contract.platform import PLATFORM
from tests.previews.adoption.repositories import repository

DRAFT = "reviewed: false\ntables: {t: {columns: {a: {how: review}}}}\n"
REVIEWED = "tables: {t: {columns: {a: {how: hash}}}}\n"
STACK = StackName.parse("staging", AppName("orders"))
SCHEMA = DatabaseSchema(
    tables=(
        TableSchema(
            label="sales.orders",
            kind="table",
            columns=(
                ColumnSchema(
                    name="email",
                    type="text",
                    base="text",
                    kind="base",
                    required=True,
                    generated=False,
                    primary=False,
                    unique=False,
                    fakes=("email", "text"),
                    hashable=True,
                ),
            ),
        ),
    )
)
FAILURE = SandboxError("staging's data", why="its command failed", remedy="correct it")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", builder="own")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = repository(tmp_path / "orders")
    monkeypatch.setenv("PREVIEWS_APP", str(folder))
    return folder


class Staging:
    """The app's staging: what comes up, and what its database has then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, schema: DatabaseSchema = SCHEMA) -> None:
        self.failure: SandboxError | None = None
        self.migrated = True
        self.steps: list[str] = []
        self.schema = schema
        monkeypatch.setattr(adoption.filling, "is_migrated", lambda *_: self.migrated)
        monkeypatch.setattr(adoption.filling, "login", lambda *_: {"host": "/run", "port": "1"})
        monkeypatch.setattr(adoption, "schema_of_database", self._read)

    def _update(self, *_: object) -> None:
        self.steps.append("up")
        if self.failure:
            raise self.failure

    def _read(self, login: dict[str, str]) -> DatabaseSchema:
        assert login == {"DATABASE_HOST": "/run", "DATABASE_PORT": "1"}
        self.steps.append("read")
        return self.schema

    def adopt(self, settings: Settings, folder: Path, console: Console) -> None:
        def start() -> Clients:
            self.steps.append("start")
            return Clients(PreviewsSettings.read(local=True))

        person = person_who_answers(yes=True)
        adoption.adopt(settings, folder, person, start, self._update, console)


def test_the_rules_are_drafted_from_what_staging_was_migrated_to(
    settings: Settings,
    app: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = Staging(monkeypatch)
    for _ in range(2):
        there.adopt(settings, app, Console(stderr=True))
        text = (app / "scrub.yaml").read_text()
        assert "Drafted from the migrated schema." in text
        assert "  sales.orders:\n    columns:\n      email: {how: fake, kind: email}" in text
    assert there.steps == ["start", "up", "read"] * 2
    printed = capsys.readouterr()
    assert "replaced scrub.yaml" in printed.out
    assert "unchanged scrub.yaml" in printed.out
    assert f"1. check every line of {app}/scrub.yaml, and remove" in printed.err
    assert f"2. make preview PR=1 APP={app}\n" in printed.err


def test_a_failure_after_the_migrations_leaves_the_draft(
    settings: Settings, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Staging(monkeypatch)
    there.failure = FAILURE
    with pytest.raises(SandboxError, match="its command failed"):
        there.adopt(settings, app, Console(quiet=True))
    assert "sales.orders" in (app / "scrub.yaml").read_text()


def test_a_failed_migration_leaves_the_draft_of_the_source(
    settings: Settings, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Staging(monkeypatch)
    there.failure, there.migrated = FAILURE, False
    with pytest.raises(SandboxError, match="its command failed"):
        there.adopt(settings, app, Console(quiet=True))
    assert there.steps == ["start", "up"]
    assert "without a database" in (app / "scrub.yaml").read_text()


def test_a_database_without_a_table_is_told_with_what_would_make_one(
    settings: Settings, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Staging(monkeypatch, DatabaseSchema())
    settings.home.mkdir()
    finished = settings.home / f"{STACK}.finished"
    finished.touch()
    with pytest.raises(SandboxError, match=r"sandbox\.staging\.sql"):
        there.adopt(settings, app, Console(quiet=True))
    # It is filled by the next run.
    assert not finished.exists()


def test_what_can_t_be_built_is_refused_before_anything_starts(
    settings: Settings, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / "Dockerfile").write_text('FROM nginx:1.27\nCMD ["nginx"]\n')
    there = Staging(monkeypatch)
    with pytest.raises(SandboxError, match="nothing that stands for nginx"):
        there.adopt(settings, app, Console(quiet=True))
    assert there.steps == []
    assert (app / "preview.yaml").exists()


def test_without_a_folder_it_is_told_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREVIEWS_APP", raising=False)
    monkeypatch.setattr(sys, "argv", ["sandbox", "adopt"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "make adopt APP=../orders" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["adopt", "."], ["--app", ".", "adopt"]])
def test_the_folder_is_an_argument_or_the_app_s(
    app: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    named: list[Path] = []
    monkeypatch.setattr(adoption, "adopt", lambda _, folder, *__, **___: named.append(folder))
    monkeypatch.setenv("PREVIEWS_APP", "")
    monkeypatch.chdir(app)
    monkeypatch.setattr(sys, "argv", ["sandbox", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, named) == (0, [app])


def published(monkeypatch: pytest.MonkeyPatch, settings: Settings, rules: str | None) -> None:
    """Let staging be up, with these rules in its outputs."""
    document = PLATFORM.model_dump(mode="json")
    document["database"]["scrub_rules"] = rules
    outputs: dict[str, Any] = {} if rules is None else {"platform": document}
    monkeypatch.setattr(Stacks, "outputs", lambda *_: outputs)
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / f"{STACK}.finished").touch()


@pytest.fixture
def described(app: Path) -> Callable[[str], None]:
    (app / "preview.yaml").write_text("app: orders\n")

    def write(rules: str) -> None:
        (app / "scrub.yaml").write_text(rules)

    return write


@pytest.mark.parametrize("rules", [None, DRAFT])
def test_a_preview_is_refused_while_the_rules_are_a_draft(
    settings: Settings,
    described: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    rules: str | None,
) -> None:
    described(DRAFT)
    with pytest.raises(SandboxError, match="nobody has reviewed, and 1 columns have no rule"):
        staging.require_reviewed_rules(settings)
    # Staging that is up with a draft has no rules that would count.
    published(monkeypatch, settings, rules)
    with pytest.raises(SandboxError, match="nobody has reviewed"):
        staging.require_reviewed_rules(settings)
    described(REVIEWED)
    staging.require_reviewed_rules(settings)


def test_the_rules_of_staging_count_where_a_pull_request_has_a_draft(
    settings: Settings, described: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    described(DRAFT)
    published(monkeypatch, settings, REVIEWED)
    staging.require_reviewed_rules(settings)


@pytest.mark.parametrize(("rules", "updated"), [(DRAFT, 1), (REVIEWED, 0), (None, 1)])
def test_staging_that_has_a_draft_is_brought_up_with_the_rules_that_replace_it(
    settings: Settings,
    described: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    rules: str | None,
    updated: int,
) -> None:
    described(REVIEWED)
    published(monkeypatch, settings, rules)
    ups: list[object] = []
    monkeypatch.setattr(staging, "_ensure_platform", lambda *_: None)
    monkeypatch.setattr(staging, "up", lambda *_: ups.append(1))
    staging.ensure(settings, Clients(PreviewsSettings.read(local=True)), Console(quiet=True))
    assert len(ups) == updated


@pytest.mark.parametrize(
    ("ends", "migrated"), [(["Complete"], True), (["Complete", "Failed"], False), ([], False)]
)
def test_all_migrations_have_to_succeed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ends: list[str], *, migrated: bool
) -> None:
    jobs = [{"status": {"conditions": [{"type": end, "status": "True"}]}} for end in ends]
    monkeypatch.setattr(filling, "read", lambda *_: {"items": jobs})
    assert filling.is_migrated(settings, STACK) is migrated
