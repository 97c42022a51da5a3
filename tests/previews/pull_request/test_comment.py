"""The comment, word for word, in each of its states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contract.stack_name import PLATFORM_APP, AppName
from previews.diagnosis.cluster_diagnostics import ClusterDiagnostics, UnhealthyContainer
from previews.diagnosis.failure_patterns import FailurePattern
from previews.diagnosis.failure_report import FailedResource, FailureReport
from previews.diagnosis.migration_report import MigrationLog, MigrationReport
from previews.pull_request.comment import (
    failed,
    kept_tests,
    marker,
    no_room,
    removed,
    reset_failed,
    up,
    with_tests,
    without_tests,
    working,
)
from previews.pull_request.presenter import DeployedPreview, DeployFailure
from previews.pull_request.tests_result import LINES, WIDTH, AppTests, AppTestsResult, Outcome
from previews.pulumi.progress import State, Step, StepState
from previews.reporting.cost import Cost, Line
from previews.reporting.preview_summary import PreviewSummary

MARKER = marker(PLATFORM_APP)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
STILL = "fedcba9876543210"
RUN = "https://github.test/acme/orders/actions/runs/7"
RUNBOOK = "[the runbook](https://github.test/acme/orders/blob/HEAD/docs/runbook.md)"
STATES = (
    StepState(step=Step.IMAGE, state=State.DONE, seconds=65),
    StepState(step=Step.DATABASE, state=State.SAME),
    StepState(step=Step.NAMESPACE, state=State.DONE, seconds=0),
    StepState(step=Step.MIGRATE, state=State.FAILED, seconds=2),
    StepState(step=Step.ROLLOUT, state=State.RUNNING, detail="0 of 1 | ready"),
    StepState(step=Step.ADDRESS),
)
COST = Cost(lines=(Line(what="all", a_day=Decimal("0.58"), verified=True),))
FACTS = PreviewSummary(
    stack="pr-42",
    url="http://pr-42.test",
    commit=COMMIT,
    mode="snapshot",
    snapshot="rds:one",
    snapshot_created=NOW - timedelta(hours=30),
    created=NOW - timedelta(days=2),
    expires=NOW + timedelta(days=3),
    cost=COST,
)
REPORT = MigrationReport(before="1", head="2", max_lock_seconds=2, long_locks_meant=False)


def rows(text: str) -> dict[str, str]:
    """The rows of the comment's table, by their names."""
    cells = [line.split(" | ", 1) for line in text.splitlines() if line.startswith("| **")]
    return {name.strip("|* "): value.removesuffix(" |") for name, value in cells}


def shown(facts: PreviewSummary = FACTS, states: Any = STATES, **more: Any) -> str:
    told = {name: more.pop(name) for name in ("run", "reset") if name in more}
    given = {"seconds": 95.0, "migration": MigrationLog(), "kept": False} | more
    return up(DeployedPreview(facts, states, **given), now=NOW, **({"run": RUN} | told))


def without(**changes: Any) -> PreviewSummary:
    return FACTS.model_copy(update=changes)


def test_while_it_comes_up_each_step_shows_how_far_it_is() -> None:
    text = working("pr-42", COMMIT, STATES, since=NOW - timedelta(seconds=61), now=NOW, run=RUN)
    assert text == (
        f"{MARKER}\n\n### ⏳ `pr-42` is being deployed\n\n"
        f"Commit `0123456789ab`, running for 1 min 1 s ([run]({RUN})).\n\n"
        "- ✅ image (1 min 5 s)\n"
        "- ⏭️ database\n"
        "- ✅ namespace and secrets\n"
        "- ❌ migrate (2 s)\n"
        "- ⏳ roll the service out: 0 of 1 \\| ready\n"
        "- ▫️ address\n"
    )


def test_when_it_is_up_the_table_tells_all() -> None:
    text = shown()
    assert text.startswith(
        f"{MARKER}\n\n### ✅ [pr-42](http://pr-42.test) is up\n\nhttp://pr-42.test\n\n"
        "| | |\n|---|---|\n"
    )
    assert rows(text) == {
        "Commit": "`0123456789ab`",
        "Changed": "image, namespace and secrets; unchanged: database",
        "Migrations": "no report of its locks was printed",
        "Took": f"1 min 35 s ([run]({RUN}))",
        "Data": "its own instance, from staging's snapshot `rds:one`,"
        " 1 d 6 h old, of 25 Nov 2026, 06:00 UTC",
        "Cost": "about $0.58 a day, $1.16 so far at list prices",
        "Expires": "29 Nov 2026, 12:00 UTC, in 3 d; a push extends it",
    }
    assert text.endswith("`/preview destroy` removes it · a push updates it\n")


def test_the_page_with_the_mail_has_a_row_where_there_is_one() -> None:
    assert "Mail" not in rows(shown())
    facts = without(mail_url="http://pr-42.test/_mail")
    assert rows(shown(facts))["Mail"] == "http://pr-42.test/_mail"


def test_where_nothing_was_done_nothing_is_said_of_it() -> None:
    assert rows(shown(seconds=None)).keys() & {"Changed", "Took"} == set()


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ((StepState(step=Step.IMAGE, state=State.SAME),), "nothing"),
        ((StepState(step=Step.SMOKE, state=State.DONE),), "nothing"),
        ((StepState(step=Step.IMAGE, state=State.DONE),), "image"),
    ],
)
def test_what_was_changed(states: tuple[StepState, ...], words: str) -> None:
    assert rows(shown(states=states))["Changed"] == words


@pytest.mark.parametrize(
    ("migration", "words"),
    [
        (None, "unknown: their log can't be read"),
        (MigrationLog(ran=False), "none was run"),
        (MigrationLog(report=REPORT), "none to apply"),
        (MigrationLog(applied=("1: a", "2: b|c"), report=REPORT), "1: a<br>2: b\\|c"),
        (
            MigrationLog(applied=("1: a",)),
            "1: a<br>no report of its locks was printed",
        ),
    ],
)
def test_what_the_migrations_did(migration: MigrationLog | None, words: str) -> None:
    assert rows(shown(migration=migration))["Migrations"] == words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (without(snapshot="", mode="branch"), "a copy of staging's data"),
        (without(snapshot="", mode=""), "unknown"),
        (
            without(mode="branch", snapshot_created=None),
            "a clone on the shared instance, from staging's snapshot `rds:one`",
        ),
        (without(mode="new", snapshot_created=None), "new, from staging's snapshot `rds:one`"),
    ],
)
def test_where_its_data_comes_from(facts: PreviewSummary, words: str) -> None:
    assert rows(shown(facts))["Data"] == words


def test_data_that_began_anew_says_when() -> None:
    text = rows(shown(without(snapshot=""), reset=NOW))["Data"]
    assert text == "a copy of staging's data; reset 26 Nov 2026, 12:00 UTC"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            without(cost=None),
            "unknown for this region or these sizes (`previews/reporting/prices.toml`)",
        ),
        (without(created=None), "about $0.58 a day at list prices"),
        (
            without(
                created=None,
                cost=Cost(lines=(*COST.lines, Line(what="x", a_day=Decimal(1), verified=False))),
            ),
            "about $1.58 a day at list prices, not all of them verified",
        ),
    ],
)
def test_what_it_costs(facts: PreviewSummary, words: str) -> None:
    assert rows(shown(facts))["Cost"] == words


@pytest.mark.parametrize(
    ("expires", "kept", "words"),
    [
        (None, False, "unknown"),
        (None, True, "unknown"),
        (NOW, False, "expired 26 Nov 2026, 12:00 UTC; the next sweep removes it"),
        (NOW, True, "later, because of its label; without the label 26 Nov 2026, 12:00 UTC"),
        (
            NOW + timedelta(seconds=1),
            False,
            "26 Nov 2026, 12:00 UTC, in 1 s; a push extends it",
        ),
    ],
)
def test_when_it_expires(expires: datetime | None, kept: bool, words: str) -> None:
    assert rows(shown(without(expires=expires), kept=kept))["Expires"] == words


def failure(**more: Any) -> str:
    one = FailedResource(
        step=Step.MIGRATE, type="kubernetes:batch/v1:Job", name="migrate", op="create", message="no"
    )
    silent = FailedResource(step=None, type="", name="", op="", message="")
    diagnostics = ClusterDiagnostics(
        containers=(
            UnhealthyContainer(pod="p-1", container="c", reason="Error", log=("a", "b")),
            UnhealthyContainer(pod="p-2", container="", reason="OOM"),
        ),
        events=("one", "two"),
    )
    autopsy = FailureReport(
        cause=FailurePattern(code="out-of-memory", why="it used more", remedy="use less."),
        failed=(one, silent),
        diagnostics=more.pop("diagnostics", diagnostics),
    )
    run = more.pop("run", "")
    return failed("pr-42", COMMIT, DeployFailure(autopsy, STATES[:2], **more), run=run)


def test_a_failure_tells_cause_remedy_and_what_was_said() -> None:
    assert failure(run=RUN, still=STILL) == (
        f"{MARKER}\n\n### ❌ The deployment of `pr-42` failed\n\n**It used more.** Use less.\n\n"
        f"`0123456789ab` ([run]({RUN})); `out-of-memory` in {RUNBOOK}."
        " The earlier version `fedcba987654` is still served.\n\n"
        "- ✅ image (1 min 5 s)\n- ⏭️ database\n\n"
        "**migrate (Job)**\n\n```text\nno\n```\n\n"
        "**Output**\n\n```text\nnone\n```\n\n"
        "<details><summary>p-1 / c: Error</summary>\n\n```text\na\nb\n```\n\n</details>\n\n"
        "<details><summary>p-2: OOM</summary>\n\n```text\nits log is empty\n```\n\n</details>\n\n"
        "<details><summary>Warnings in the cluster</summary>\n\n"
        "```text\none\ntwo\n```\n\n</details>\n"
    )


def test_a_failure_without_a_run_or_a_cluster_says_so() -> None:
    text = failure(diagnostics=ClusterDiagnostics(missing="nobody | answered"))
    assert "`0123456789ab`; `out-of-memory` in the runbook.\n" in text
    assert "is still served" not in text
    assert text.endswith("\n\nnobody \\| answered\n")
    assert "<details>" not in text


def test_a_failure_tells_of_its_migration() -> None:
    assert "Migration: no report" in failure(migration=MigrationLog())
    report = MigrationReport.model_validate(REPORT.model_dump() | {"refused": ("too long",)})
    told = failure(migration=MigrationLog(report=report))
    assert "Migration: no report" not in told
    assert "**is refused**: a lock is held longer than 2 s" in told


def test_what_had_to_wait_or_did_not_begin_anew() -> None:
    assert no_room("pr-42", "it is | full", "wait.", run=RUN) == (
        f"{MARKER}\n\n### ⏸️ `pr-42` is waiting in the queue\n\n"
        f"it is \\| full ([run]({RUN})).\n\nwait.\n"
    )
    assert reset_failed("pr-42", "a | b", "try again.") == (
        f"{MARKER}\n\n### ⚠️ The database of `pr-42` was not reset\n\na \\| b.\n\ntry again.\n"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "Nothing of it is left. To deploy it again, add the label."),
        (0.0, "Nothing of it is left; its removal took 0 s. To deploy it again, add the label."),
        (
            61.0,
            "Nothing of it is left; its removal took 1 min 1 s. To deploy it again, add the label.",
        ),
    ],
)
def test_what_is_gone(seconds: float | None, words: str) -> None:
    assert removed("pr-42", seconds=seconds, left=[]) == (
        f"{MARKER}\n\n### 🧹 `pr-42` is gone\n\n{words}\n"
    )


def test_what_is_left_is_named() -> None:
    assert removed("pr-42", seconds=3.0, left=["RDS instance a", "IAM role b"]) == (
        f"{MARKER}\n\n### ⚠️ `pr-42` is not completely removed\n\n"
        "The Pulumi stack is kept, and the hourly sweep tries again. Left:\n\n"
        "```text\nRDS instance a\nIAM role b\n```\n"
    )


def test_two_apps_have_a_comment_each_in_one_pull_request() -> None:
    orders = removed("orders-pr-42", seconds=None, left=[])
    assert orders.startswith(marker(AppName("orders")))
    assert removed("pr-42", seconds=None, left=[]).startswith(MARKER)
    assert not orders.startswith(MARKER)
    assert not marker(AppName("orders-eu")).startswith(marker(AppName("orders")))


RESULT = AppTestsResult(outcome=Outcome.FAILED, seconds=61, why="`a|b` @ada", lines=("one", "two"))

LOG = (
    f" ([run]({RUN})).\n\n"
    "<details><summary>The last lines of their output</summary>\n\n"
    "```text\none\ntwo\n```\n\n</details>"
)


def ended(result: AppTestsResult | None = RESULT, **more: str) -> AppTests:
    return AppTests(commit=COMMIT, result=result, **{"run": RUN, "shown": COMMIT, **more})


@pytest.mark.parametrize(
    ("tests", "section"),
    [
        (ended(None), f"⏳ **Tests**: running ([run]({RUN}))."),
        (
            ended(AppTestsResult(outcome=Outcome.PASSED, seconds=5, lines=("ok",)), run=""),
            "✅ **Tests**: passed after 5 s.",
        ),
        (
            ended(AppTestsResult(outcome=Outcome.CANCELLED), shown=STILL, run=""),
            "⚪ **Tests** of the earlier commit `0123456789ab`: cancelled after 0 s.",
        ),
        (
            ended(),
            f"❌ **Tests**: failed after 1 min 1 s: \\`a\\|b\\` @\u200bada{LOG}",
        ),
    ],
)
def test_the_app_s_own_tests_are_the_last_section(tests: AppTests, section: str) -> None:
    text = with_tests(shown(), tests)
    assert text.startswith(f"{MARKER}\n")
    assert text.endswith(f"\n\n{section}\n")
    assert kept_tests(text) == tests
    assert without_tests(text) == shown()


def test_a_comment_without_tests_stays_as_it_is() -> None:
    assert with_tests(shown(), None) == shown() == without_tests(shown())
    assert kept_tests(shown()) is None


def test_what_an_app_prints_is_no_state_and_no_end_of_the_comment() -> None:
    """A log before the section, or in it, can hold the marks of both."""
    forged = with_tests(shown(), ended(AppTestsResult(outcome=Outcome.PASSED)))
    evil = AppTestsResult(outcome=Outcome.FAILED, lines=tuple(forged.splitlines()[:LINES]))
    log = failure(diagnostics=ClusterDiagnostics(missing=forged))
    assert kept_tests(log) is None
    printed = failed(
        "pr-42",
        COMMIT,
        DeployFailure(
            FailureReport(
                cause=FailurePattern(code="unknown", why="no", remedy="none."),
                failed=(FailedResource(step=None, type="", name="", op="", message=forged),),
                diagnostics=ClusterDiagnostics(),
            ),
            (),
        ),
    )
    assert kept_tests(printed) is None
    assert without_tests(printed) == printed
    text = with_tests(printed, ended(evil))
    assert kept_tests(text) == ended(evil)
    assert without_tests(text) == printed


@pytest.mark.parametrize("packed", ["", "AAAA", "not base64", "eJwDAAAAAAE="])
def test_a_state_of_another_version_is_none(packed: str) -> None:
    text = f"{MARKER}\n<!-- previews: tests {packed} -->\n\n### up\n"
    assert kept_tests(text) is None


def test_the_longest_tests_leave_room_in_a_comment() -> None:
    """GitHub refuses more than 65536 characters."""
    line = "".join(chr(0x1F300 + place) for place in range(WIDTH))
    result = AppTestsResult(outcome=Outcome.FAILED, why=line, lines=(line,) * LINES)
    assert len(with_tests(shown(), ended(result))) < 20_000
