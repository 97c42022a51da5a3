from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from previews.doctor import finding
from previews.doctor.finding import Check, Finding, Problem, Report, State, verdict
from previews.errors import Exit, NotFoundError, PreviewsError

FINE = Finding(name="labels", state=State.FINE, why="preview")
MISSING = Finding(
    name="runner", state=State.MISSING, why="w" * 200, remedy=("gh variable set " + "x" * 90,)
)
UNREAD = Finding(name="forks", state=State.UNREAD, why="GitHub responds with 403", remedy=("ask",))


def lines(report: Report, width: int = 80) -> list[str]:
    written = io.StringIO()
    Console(file=written, width=width, highlight=False).print(report.text(), soft_wrap=True)
    return written.getvalue().splitlines()


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((), Exit.DONE),
        ((FINE,), Exit.DONE),
        ((FINE, UNREAD), Exit.UNREAD),
        ((UNREAD, MISSING, FINE), Exit.FAILED),
    ],
)
def test_unknown_is_neither_fine_nor_missing(findings: tuple[Finding, ...], code: Exit) -> None:
    assert Report(findings=findings).exit_code is code


def test_the_table_fits_80_columns_and_no_command_is_broken() -> None:
    report = Report(findings=(FINE, MISSING, UNREAD))
    shown = lines(report)
    table = shown[: shown.index("What to do:")]
    assert max(map(len, table)) <= 80
    assert [
        line.split()[0] for line in table if " ✓ " in line or " ✗ " in line or " ? " in line
    ] == [
        "✓",
        "✗",
        "?",
    ]
    assert f"  {MISSING.remedy[0]}" in shown


def test_the_longest_name_leaves_room_for_the_findings() -> None:
    from tests.docs.test_doctor import names

    assert max(map(len, names())) <= 24


def test_one_remedy_of_several_checks_is_shown_once() -> None:
    other = UNREAD.model_copy(update={"name": "secrets"})
    shown = lines(Report(findings=(UNREAD, other)))
    assert shown.count("  ask") == 1
    assert "forks, secrets" in shown


def test_nothing_is_to_do_where_nothing_is_missing() -> None:
    assert "What to do:" not in lines(Report(findings=(FINE,)))


def test_markup_in_a_finding_is_text() -> None:
    odd = FINE.model_copy(update={"why": "[red]x[/red]"})
    assert any("[red]x[/red]" in line for line in lines(Report(findings=(odd,))))


def test_several_problems_are_one_finding_with_each_command_once() -> None:
    problems = [Problem("a", "mend"), Problem("b", "mend"), Problem("c")]
    found = Check("x", "", lambda: verdict("", problems)).run()
    assert (found.state, found.why, found.remedy) == (State.MISSING, "a; b; c", ("mend",))


def _raising(error: Exception) -> Callable[[], finding.Verdict]:
    def examine() -> finding.Verdict:
        raise error

    return examine


@pytest.mark.parametrize("code", ["github-denied", "github-not-found"])
def test_what_may_not_be_read_names_the_right(code: str) -> None:
    kind = NotFoundError if code == "github-not-found" else PreviewsError
    error = kind(code, "it", why="no", remedy="check the number.")
    found = Check("x", "administration: read", _raising(error)).run()
    assert (found.state, found.why) == (State.UNREAD, "no")
    assert "the right administration: read" in found.remedy[0]


def test_what_fails_otherwise_keeps_its_own_remedy() -> None:
    error = PreviewsError("github-quota", "it", why="used up", remedy="wait.")
    found = Check("x", "administration: read", _raising(error)).run()
    assert (found.state, found.remedy) == (State.UNREAD, ("wait.",))


def test_a_fault_of_the_check_itself_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        Check("x", "", _raising(ZeroDivisionError())).run()


def test_the_command_ends_with_what_it_found(
    previews: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from previews.doctor.examination import Examination

    def run(_self: Examination, *, from_ci: bool) -> Report:
        return Report(findings=(MISSING,) if from_ci else (UNREAD,))

    monkeypatch.setattr(Examination, "run", run)
    code, output, _ = previews("doctor", "--json")
    assert code == Exit.UNREAD
    assert json.loads(output)["findings"][0]["state"] == "unread"
    code, output, _ = previews("doctor", "--from-ci")
    assert code == Exit.FAILED
    assert "✗" in output
