"""No comment is longer than GitHub takes, whatever it is about."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from contract.stack_name import PLATFORM_APP
from previews.diagnosis.cluster_diagnostics import ClusterDiagnostics, UnhealthyContainer
from previews.diagnosis.failure_patterns import FailurePattern
from previews.diagnosis.failure_report import FailedResource, FailureReport
from previews.diagnosis.migration_report import MigrationLog
from previews.errors import PreviewsError
from previews.pull_request import comment
from previews.pull_request.length import MOST, shortened
from previews.pull_request.presenter import DeployedPreview, DeployFailure
from previews.pull_request.tests_result import AppTests, AppTestsResult, Outcome
from previews.pulumi.progress import State, Step, StepState
from previews.reporting.preview_summary import PreviewSummary

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RUN = "https://github.test/acme/orders/actions/runs/7"
COMMIT = "0" * 40
NOTE = f"> This comment is cut, since GitHub takes {MOST} characters; the whole is in"


def log(name: str, *, lines: int = 30, width: int = 400) -> UnhealthyContainer:
    printed = tuple(f"{name} {number} ".ljust(width, "x") for number in range(lines))
    return UnhealthyContainer(pod=name, container="app", reason="Error", log=printed)


def failed(*containers: UnhealthyContainer, message: str = "no") -> str:
    cause = FailurePattern(code="crash", why="it crashed", remedy="mend it.")
    one = FailedResource(step=None, type="a:b:C", name="c", op="create", message=message)
    diagnostics = ClusterDiagnostics(containers=containers, events=("one", "two"))
    report = FailureReport(cause=cause, failed=(one,), diagnostics=diagnostics)
    return comment.failed("pr-42", COMMIT, DeployFailure(report, ()), run=RUN)


SIX = failed(*(log(f"pod-{number}") for number in range(6)))


def up_with_migrations(count: int) -> str:
    applied = tuple(f"{number:04}: {'m' * 90}" for number in range(count))
    summary = PreviewSummary(stack="pr-42", url="http://pr-42.test", commit=COMMIT)
    return comment.up(
        DeployedPreview(summary, (), 1.0, MigrationLog(applied=applied), False), now=NOW
    )


def is_whole(text: str) -> bool:
    """Return whether every code block and every folded part of a comment ends."""
    fence = ""
    for line in text.split("\n"):
        if fence and line == fence:
            fence = ""
        elif not fence and (found := re.match(r"`{3,}", line)):
            fence = found[0]
    return not fence and text.count("<details>") == text.count("</details>")


KINDS = {
    "six failing containers": SIX,
    "one log of one line": failed(log("pod", lines=1, width=200_000)),
    "emoji": failed(log("pod", lines=600, width=1).model_copy(update={"log": ("🧹" * 300,) * 600})),
    "fences in a log": failed(
        log("pod").model_copy(update={"log": ("````", "```text", "x" * 90) * 900})
    ),
    "a long message": failed(message="\n".join(["line " * 20] * 2_000)),
    "what is left": comment.removed("pr-42", seconds=1, left=[f"RDS {'x' * 60}"] * 3_000),
    "an error": comment.not_removed(
        "pr-42", PreviewsError("a-code", "it", why="why " * 40_000, remedy="do."), run=RUN
    ),
    "a long reason": comment.no_room("pr-42", "why " * 40_000, "wait. " * 40_000),
    "steps": comment.working(
        "pr-42",
        COMMIT,
        [StepState(step=Step.ROLLOUT, state=State.RUNNING, detail="d" * 90_000)],
        since=NOW,
        now=NOW,
        run=RUN,
    ),
    "migrations": up_with_migrations(2_000),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_comment_is_cut_and_says_so(kind: str) -> None:
    text = KINDS[kind]
    assert len(text) > MOST
    cut = shortened(text, RUN)
    assert MOST * 0.01 < len(cut) <= MOST
    assert is_whole(text)
    assert is_whole(cut)
    assert cut.startswith(
        f"{comment.marker(PLATFORM_APP)}\n\n{NOTE} [the run's log]({RUN}).\n\n### "
    )
    assert shortened(cut, RUN) == cut


def test_a_comment_that_fits_stays_as_it_is() -> None:
    text = failed(log("pod"))
    assert shortened(text, RUN) == text
    longest = text + "x" * (MOST - len(text))
    assert shortened(longest, RUN) == longest
    assert shortened(longest + "x", RUN) != longest + "x"


def test_logs_lose_their_middle_alike_and_short_ones_nothing() -> None:
    short = log("short", lines=5)
    cut = shortened(failed(short, *(log(f"pod-{number}") for number in range(6))), RUN)
    assert all(line in cut for line in short.log)
    for number in range(6):
        found = [int(n) for n in re.findall(rf"^pod-{number} (\d+) ", cut, re.MULTILINE)]
        assert (found[0], found[-1]) == (0, 29)
        # One gap, and more of the end than of the beginning.
        [gap] = [pair for pair in pairwise(found) if pair[1] != pair[0] + 1]
        assert 30 - gap[1] > gap[0] + 1
        assert f"… {gap[1] - gap[0] - 1} lines are left out …" in cut
    assert len(cut) > MOST - 6 * 400


def test_outside_of_ci_the_whole_is_in_the_output_of_the_command() -> None:
    assert f"{NOTE} the command's own output." in shortened(SIX)


def test_the_tests_of_a_comment_that_is_cut_are_read_again() -> None:
    result = AppTestsResult(outcome=Outcome.FAILED, seconds=1, lines=("🧹" * 200,) * 30)
    tests = AppTests(commit=COMMIT, result=result, run=RUN, shown=COMMIT)
    pending = AppTests(commit=COMMIT, run=RUN, shown=COMMIT)
    first = shortened(comment.with_tests(SIX, pending), RUN)
    assert comment.kept_tests(first) == pending
    again = shortened(comment.with_tests(comment.without_tests(first), tests), RUN)
    assert comment.kept_tests(again) == tests
    assert len(again) <= MOST
    assert again.count(NOTE) == 1
    assert "**Tests**: failed" in again
