"""A preview on a terminal: all that a pull request would show, in 80 columns."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from previews.diagnosis.cluster_diagnostics import ClusterDiagnostics, UnhealthyContainer
from previews.diagnosis.failure_report import make_report
from previews.diagnosis.migration_report import MigrationLog
from previews.lifecycle.destroy import DestroyReport
from previews.pull_request.presenter import DeployedPreview, DeployFailure, Presenter
from previews.pull_request.terminal_presenter import TerminalPresenter
from previews.pulumi.progress import State, Step, StepState
from previews.reporting.preview_summary import PreviewSummary
from previews.reporting.wording import cell, plain
from tests.previews.world import failure


def facts() -> PreviewSummary:
    now = datetime.now(UTC)
    return PreviewSummary(
        stack="pr-42",
        url="http://pr-42.preview.test",
        commit="a" * 40,
        mode="snapshot",
        snapshot="rds:staging-2026-11-25-03-45",
        snapshot_created=now - timedelta(hours=3),
        expires=now + timedelta(days=7, hours=1, minutes=30),
    )


STATES = (
    StepState(step=Step.IMAGE, state=State.SAME),
    StepState(step=Step.DATABASE, state=State.DONE, seconds=9),
    StepState(step=Step.MIGRATE, state=State.RUNNING, detail="Job migrate: waiting\nfor a pod"),
    StepState(step=Step.ROLLOUT),
)


class Silent:
    """A presenter that nobody watches."""

    def begin(self, commit: str) -> None: ...
    def working(self, states: Sequence[StepState]) -> None: ...
    def up(self, deployed: DeployedPreview) -> None: ...
    def failed(self, failure: DeployFailure) -> None: ...
    def stopped(self, error: Exception) -> None: ...
    def removed(self, report: DestroyReport) -> None: ...


def screen(*, terminal: bool = False) -> Console:
    file = io.StringIO()
    return Console(file=file, width=80, force_terminal=terminal, color_system=None)


def shown(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    made = screen()
    monkeypatch.setattr("previews.output.console", made)
    return made


def test_a_preview_that_is_up_is_summed_up_within_80_columns(console: Console) -> None:
    presenter: Presenter = TerminalPresenter(
        "pr-42",
        connect_to="http://127.0.0.1:8080",
        next_commands=["make push PR=42", "make status", "make destroy PR=42"],
    )
    migration = MigrationLog(applied=("t0: Step 0", "t1: Step_1"))
    presenter.up(DeployedPreview(facts(), STATES, 21.4, migration, kept=False))
    lines = shown(console).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "✓ pr-42 is up after 21 s"
    text = " ".join(shown(console).split())
    for said in (
        "Changed database; unchanged: image",
        "Migrations t0: Step 0 t1: Step_1",
        "in 7 d 1 h; a push extends it",
    ):
        assert said in text
    assert lines[-7:] == [
        "  http://pr-42.preview.test",
        "  or: curl -H 'Host: pr-42.preview.test' http://127.0.0.1:8080/",
        f"  made from commit {'a' * 12}",
        "  and snapshot rds:staging-2026-11-25-03-45, 3 h old",
        "  next: make push PR=42",
        "        make status",
        "        make destroy PR=42",
    ]
    # Commands of comments are none of a terminal's.
    assert "/preview" not in text


def test_each_step_is_told_once_where_there_is_no_terminal(console: Console) -> None:
    presenter = TerminalPresenter("pr-42")
    for _ in range(3):
        presenter.working(STATES)
    assert shown(console).splitlines() == ["· pr-42: migrate"]


def test_on_a_terminal_the_steps_stand_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    console = screen(terminal=True)
    monkeypatch.setattr("previews.output.console", console)
    presenter = TerminalPresenter("pr-42", pulumi_log=Path("pulumi.log"))
    long = STATES[2].model_copy(update={"detail": "Job migrate: waiting\nfor a pod, " * 9})
    presenter.working((*STATES[:2], long, STATES[3]))
    presenter.stopped(failure("pr-42"))
    text = shown(console)
    assert re.search(r"✓ database +9 s", text)
    assert re.search(r"\S migrate +Job migrate: waiting for a pod, .*…", text)
    assert all(len(re.sub("\x1b.*?[A-Za-z]", "", line)) <= 80 for line in text.splitlines())
    assert text.endswith("\x1b[?25h"), "the cursor is there again"


def test_a_failure_shows_all_that_was_found_and_leaves_what_to_do_to_the_message(
    console: Console,
) -> None:
    trouble = UnhealthyContainer(
        pod="service-1", container="service", reason="exit code 1", log=("[x] is\\nmissing " * 9,)
    )
    diagnostics = ClusterDiagnostics(containers=(trouble,), events=("Pod service-1: BackOff",))
    found = make_report([], diagnostics, output="it broke")
    TerminalPresenter("pr-42").failed(DeployFailure(found, STATES, still="b" * 40))
    text = shown(console)
    for said in (
        "it broke",
        "service-1 / service: exit code 1",
        trouble.log[0].strip(),
        "Pod service-1: BackOff",
        f"The earlier version {'b' * 12} is still served.",
    ):
        assert said in text
    assert "What to do" not in text


def test_a_removal_says_where_was_looked_and_leaves_what_is_left_to_the_message(
    console: Console,
) -> None:
    report = DestroyReport(
        stack="pr-42", had_stack=True, deleted=["a", "b"], looked_in=["RDS", "IAM"], seconds=61
    )
    presenter = TerminalPresenter("pr-42")
    presenter.removed(report)
    text = " ".join(shown(console).split())
    assert text == (
        "✓ pr-42 is gone: 2 resources deleted in 1 min 1 s, and nothing is left in RDS, IAM"
    )
    presenter.removed(report.model_copy(update={"left": ["RDS instance pr-42"]}))
    assert " ".join(shown(console).split()) == text


@pytest.mark.parametrize("text", ["a | b", "*_x_*", r"a\b", "<b>`c`</b>", "@somebody", "[l](u)"])
def test_what_is_escaped_for_a_comment_is_plain_again(text: str) -> None:
    assert plain(cell(text)) == text
    assert plain(f"`{'a' * 12}`<br>b") == f"{'a' * 12}\nb"
