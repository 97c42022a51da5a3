"""The one comment about a preview, as Markdown. No I/O."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contract.stack_name import PLATFORM_APP, AppName, StackName
from previews.diagnosis.migration_report import markdown
from previews.diagnosis.redaction import redact
from previews.pull_request import program_diff
from previews.pull_request.comment_commands import footer
from previews.pull_request.obstacles import WORDS, Obstacle
from previews.pull_request.program_diff import ProgramDiff
from previews.pull_request.tests_result import AppTests, Outcome
from previews.pulumi.progress import State, Step, StepState
from previews.reporting import prices
from previews.reporting.support import ending
from previews.reporting.wording import age, cell, code, dollars, duration, moment

if TYPE_CHECKING:
    from previews.diagnosis.hook_logs import HookRun
    from previews.diagnosis.migration_report import MigrationLog
    from previews.errors import PreviewsError
    from previews.pull_request.presenter import DeployedPreview, DeployFailure
    from previews.reporting.preview_summary import PreviewSummary


def marker(app: AppName) -> str:
    """Return the first line of the comment, by which it is found again.

    A pull request of a repository with several apps has a comment for each.
    """
    of_app = "" if app.is_platform else f" of {app}"
    return f"<!-- previews: the comment of this pull request's preview{of_app} -->"


_SIGNS = {
    State.WAITING: "▫️",
    State.RUNNING: "⏳",
    State.DONE: "✅",
    State.SAME: "⏭️",
    State.FAILED: "❌",
}
_SHORT_COMMIT = 12
_TESTS_STATE = "<!-- previews: tests "
_DIFF_STATE = "<!-- previews: changes "
_DIFF_SECTION = "\n<!-- previews: the changes of the program -->\n"
_TESTS_SECTION = "\n<!-- previews: the tests of the app -->\n"
_LARGEST_STATE = 64 * 1024
_OUTCOMES = {
    Outcome.PASSED: "✅",
    Outcome.FAILED: "❌",
    Outcome.TIMED_OUT: "❌",
    Outcome.CANCELLED: "⚪",
}
_DATABASES = {
    "snapshot": "its own instance",
    "branch": "a clone on the shared instance",
}
_REFUSED = "### 💤 "
_GONE = "### 🧹 "
_NO_REPORT = "no report of its locks was printed"


def working(
    stack: str,
    commit: str,
    states: Sequence[StepState],
    *,
    since: datetime,
    now: datetime,
    run: str,
) -> str:
    """Render the comment during a deployment, with its steps."""
    title = f"### ⏳ `{stack}` is being deployed"
    about = f"Commit `{commit[:_SHORT_COMMIT]}`, running for {age(since, now)}{_see(run)}."
    return _join(stack, title, about, _steps(states))


def up(
    deployed: DeployedPreview, *, now: datetime, run: str = "", reset: datetime | None = None
) -> str:
    """Render the comment for a preview that is up.

    Args:
        deployed: The preview.
        now: The time.
        run: URL of the workflow run.
        reset: Time of the reset of its database, if that is what was done.
    """
    summary, migration = deployed.summary, deployed.migration
    rows = details(deployed, now=now, run=run, reset=reset)
    table = "\n".join(["| | |", "|---|---|", *(f"| **{name}** | {text} |" for name, text in rows)])
    title = f"### ✅ [{summary.stack}]({summary.url}) is up\n\n{summary.url}"
    report = markdown(migration.report).rstrip() if migration and migration.report else ""
    hooks = map(_hook, deployed.hooks)
    return _join(summary.stack, title, table, report, *hooks, footer())


def details(
    deployed: DeployedPreview, *, now: datetime, run: str = "", reset: datetime | None = None
) -> list[tuple[str, str]]:
    """Return the details of a preview that is up, as names and Markdown; arguments as in `up`."""
    summary, seconds = deployed.summary, deployed.seconds
    return [
        ("Commit", f"`{summary.commit[:_SHORT_COMMIT]}`"),
        *([] if seconds is None else [("Changed", _changed(deployed.states))]),
        ("Migrations", _migrations(deployed.migration)),
        *([] if seconds is None else [("Took", f"{duration(seconds)}{_see(run)}")]),
        ("Data", _data(summary, now) + (f"; reset {moment(reset)}" if reset else "")),
        *([("Mail", summary.mail_url)] if summary.mail_url else []),
        ("Cost", _cost(summary, now)),
        ("Expires", _expiry(summary, kept=deployed.kept, now=now)),
    ]


def failed(stack: str, commit: str, failure: DeployFailure, *, run: str = "") -> str:
    """Render the comment for a failed deployment: likely cause, remedy, and all output.

    Args:
        stack: Name of the preview.
        commit: The commit that was deployed.
        failure: The failure report, and the steps.
        run: URL of the workflow run.
    """
    report, still = failure.report, failure.still
    cause = report.cause
    lines = [
        f"### ❌ The deployment of `{stack}` failed",
        f"**{cause.why[0].upper()}{cause.why[1:]}.** {cause.remedy[0].upper()}{cause.remedy[1:]}",
        f"`{commit[:_SHORT_COMMIT]}`{_see(run)}; `{cause.code}` in {_runbook(run)}."
        + (f" The earlier version `{still[:_SHORT_COMMIT]}` is still served." if still else ""),
        _steps(failure.states),
    ]
    for one in report.failed:
        about = f"{one.name} ({one.type.rpartition(':')[2]})" if one.name else "Output"
        lines.append(f"**{cell(about)}**\n\n{code(one.message or 'none')}")
    if failure.migration is not None:
        migration = failure.migration.report
        lines.append(markdown(migration).rstrip() if migration else f"Migration: {_NO_REPORT}.")
    evidence = report.diagnostics
    for container in evidence.containers:
        name = f"{container.pod} / {container.container}".rstrip(" /")
        log = "\n".join(container.log) or "its log is empty"
        lines.append(_folded(f"{cell(name)}: {cell(container.reason)}", code(log)))
    if evidence.events:
        lines.append(_folded("Warnings in the cluster", code("\n".join(evidence.events))))
    if evidence.missing:
        lines.append(cell(evidence.missing))
    return _join(stack, *lines)


def reset_failed(stack: str, why: str, remedy: str, *, run: str = "") -> str:
    """Render the comment for a failed reset of the database."""
    title = f"### ⚠️ The database of `{stack}` was not reset"
    return _join(stack, title, f"{cell(why)}{_see(run)}.", cell(remedy))


def no_room(stack: str, why: str, remedy: str, *, run: str = "") -> str:
    """Render the comment for a preview in the queue."""
    return _join(
        stack, f"### ⏸️ `{stack}` is waiting in the queue", f"{cell(why)}{_see(run)}.", cell(remedy)
    )


def refused(stack: str, obstacle: Obstacle) -> str:
    """Render the comment for a pull request that gets no preview."""
    words = WORDS[obstacle]
    why = f"{words.why[0].upper()}{words.why[1:]}."
    title = f"{_REFUSED}This pull request gets no preview"
    return _join(stack, title, why, f"To get one, {words.remedy}")


def shows_no_preview(text: str) -> bool:
    """Return True for a comment about a preview that there is none of, or no longer."""
    return any(line.startswith((_REFUSED, _GONE)) for line in text.splitlines()[:3])


def ended(stack: str, commit: str, why: str, *, cancelled: bool, run: str = "") -> str:
    """Render the comment for a run that ended before it could report why.

    Args:
        stack: Name of the preview.
        commit: The commit that it was to deploy.
        why: Which jobs ended, and how.
        cancelled: True if none of them failed.
        run: URL of the workflow run.
    """
    sign, end = ("⚪", "was cancelled") if cancelled else ("❌", "failed")
    remedy = (
        "A job that takes longer than its time limit is cancelled, too. Whatever it had begun is"
        " recovered by the next deployment: push, or comment `/preview`."
        if cancelled
        else "The log of the run has the reason. The next push tries again, and so does `/preview`"
        " in a comment."
    )
    return _join(
        stack,
        f"### {sign} The deployment of `{stack}` {end}",
        f"`{commit[:_SHORT_COMMIT]}`: {cell(why)}{_see(run)}.",
        remedy,
    )


def removed(
    stack: str, *, seconds: float | None, left: Sequence[str], hook: HookRun | None = None
) -> str:
    """Render the comment after a removal, complete or not, with its hook."""
    shown = "" if hook is None else _hook(hook)
    if not left:
        return _join(
            stack,
            f"{_GONE}`{stack}` is gone",
            "Nothing of it is left"
            + ("" if seconds is None else f"; its removal took {duration(seconds)}")
            + ". To deploy it again, add the label.",
            shown,
        )
    return _join(
        stack,
        f"### ⚠️ `{stack}` is not completely removed",
        "The Pulumi stack is kept, and the hourly sweep tries again. Left:",
        code("\n".join(left)),
        shown,
    )


def not_removed(stack: str, error: PreviewsError, *, run: str = "") -> str:
    """Render the comment for a removal that ended with an error."""
    return _join(
        stack,
        f"### ⚠️ `{stack}` was not removed",
        f"It stopped at {cell(error.what)}{_see(run)}; `{error.code}` in {_runbook(run)}.",
        code(redact(error.why)),
        f"{_sentence(error.remedy)} The hourly sweep tries again, too.",
    )


def with_tests(text: str, tests: AppTests | None) -> str:
    """Return a comment with the tests of the app: their section, and what `kept_tests` reads again.

    That is a hidden second line, whose place and form nothing in a log can take.
    """
    if tests is None:
        return text
    first, _, rest = text.partition("\n")
    packed = _packed(tests.model_dump_json())
    section = _TESTS_SECTION + "\n" + "\n\n".join(_tests(tests)) + "\n"
    return f"{first}\n{_TESTS_STATE}{packed} -->\n{rest}{section}"


def kept_tests(text: str) -> AppTests | None:
    """Return the tests that a comment was made with; None if it has none."""
    state = _state(text, _TESTS_STATE)
    try:
        return None if state is None else AppTests.model_validate_json(_unpacked(state))
    except (binascii.Error, zlib.error, ValidationError):
        return None  # Of another version, or edited by a person.


def without_tests(text: str) -> str:
    """Return a comment as it was before `with_tests`."""
    first, _, rest = text.partition("\n")
    line, _, following = rest.partition("\n")
    if not line.startswith(_TESTS_STATE):
        return text
    # The last one: what an app has printed comes before, or is in a section that has none.
    return f"{first}\n{following.rpartition(_TESTS_SECTION)[0]}"


def only_compared(stack: str) -> str:
    """Render the comment of a preview that is not deployed yet, for the changes of its program."""
    return _join(stack, f"### `{stack}` would be changed by its program")


def with_program_diff(text: str, diff: ProgramDiff | None) -> str:
    """Return a comment with the changes of the program, before `with_tests`.

    As there, a hidden second line has what `kept_program_diff` reads again.
    """
    if diff is None:
        return text
    diff = program_diff.fitted(diff)
    first, _, rest = text.partition("\n")
    section = f"{_DIFF_SECTION}\n{program_diff.markdown(diff)}\n"
    return f"{first}\n{_DIFF_STATE}{_packed(diff.model_dump_json())} -->\n{rest}{section}"


def kept_program_diff(text: str) -> ProgramDiff | None:
    """Return the changes of the program that a comment was made with; None if it has none."""
    state = _state(text, _DIFF_STATE)
    try:
        return None if state is None else ProgramDiff.model_validate_json(_unpacked(state))
    except (binascii.Error, zlib.error, ValidationError):
        return None  # Of another version, or edited by a person.


def without_program_diff(text: str) -> str:
    """Return a comment without tests as it was before `with_program_diff`."""
    if _state(text, _DIFF_STATE) is None:
        return text
    first, _, rest = text.partition("\n")
    return f"{first}\n{rest.partition(chr(10))[2].rpartition(_DIFF_SECTION)[0]}"


def _state(text: str, name: str) -> str | None:
    """Return one of the hidden lines after the first, which nothing in a log can take."""
    for line in text.split("\n")[1:3]:
        if line.startswith(name) and line.rstrip().endswith(" -->"):
            return line.strip().removeprefix(name).removesuffix(" -->")
        if not line.startswith(_TESTS_STATE):
            return None
    return None


def _packed(document: str) -> str:
    return base64.b64encode(zlib.compress(document.encode(), 9)).decode()


def _unpacked(state: str) -> bytes:
    return zlib.decompressobj().decompress(base64.b64decode(state, validate=True), _LARGEST_STATE)


def _tests(tests: AppTests) -> Iterator[str]:
    """Yield the parts of the section about the tests."""
    of = f" of the earlier commit `{tests.commit[:_SHORT_COMMIT]}`" if tests.stale else ""
    result = tests.result
    if result is None:
        yield f"⏳ **Tests**{of}: running{_see(tests.run)}."
        return
    yield f"{_OUTCOMES[result.outcome]} **Tests**{of}: {cell(result.text())}{_see(tests.run)}."
    if result.lines and not result.passed:
        # Not even a mark of this comment may stand in it.
        log = "\n".join(result.lines).replace("<!--", "<!\u200b--")
        yield _folded("The last lines of their output", code(log))


def _hook(hook: HookRun) -> str:
    """Render a hook: its result, and the end of its log."""
    log = "\n".join(hook.log) or "its log is empty"
    return _folded(f"Hook {hook.hook} {cell(hook.result)}", code(log))


def _join(stack: str, *parts: str) -> str:
    """Return the comment about a preview, by its name among all apps."""
    found = StackName.of_resource(stack)
    first = marker(PLATFORM_APP if found is None else found.app)
    return "\n\n".join([first, *(part for part in parts if part)]) + "\n"


def _steps(states: Sequence[StepState]) -> str:
    return "\n".join(
        f"- {_SIGNS[state.state]} {state.step}"
        + (f" ({duration(state.seconds)})" if state.seconds else "")
        + (f": {cell(state.detail)}" if state.detail else "")
        for state in states
    )


def _changed(states: Sequence[StepState]) -> str:
    changed = [s.step.value for s in states if s.state is State.DONE and s.step is not Step.SMOKE]
    kept = [s.step.value for s in states if s.state is State.SAME]
    if not changed:
        return "nothing"
    return ", ".join(changed) + (f"; unchanged: {', '.join(kept)}" if kept else "")


def _migrations(migration: MigrationLog | None) -> str:
    if migration is None:
        return "unknown: their log can't be read"
    if not migration.ran:
        return "none was run"
    if migration.report is None:
        return "<br>".join([*map(cell, migration.applied), _NO_REPORT])
    return "<br>".join(map(cell, migration.applied)) or "none to apply"


def _data(summary: PreviewSummary, now: datetime) -> str:
    if not summary.snapshot:
        return "a copy of staging's data" if summary.mode else "unknown"
    taken = summary.snapshot_created
    old = f", {age(taken, now)} old, of {moment(taken)}" if taken else ""
    kind = _DATABASES.get(summary.mode, summary.mode)
    return f"{kind}, from staging's snapshot `{summary.snapshot}`{old}"


def _cost(summary: PreviewSummary, now: datetime) -> str:
    if summary.cost is None:
        return "unknown for this region or these sizes (`previews/reporting/prices.toml`)"
    so_far = summary.so_far(now)
    text = f"about {dollars(summary.cost.a_day)} a day"
    if so_far is not None:
        text += f", {dollars(so_far)} so far"
    text += " at list prices" + ("" if summary.cost.verified else ", not all of them verified")
    return "; ".join([text, *ending(summary.versions, now, prices.read())])


def _expiry(summary: PreviewSummary, *, kept: bool, now: datetime) -> str:
    if summary.expires is None:
        return "unknown"
    if kept:
        return f"later, because of its label; without the label {moment(summary.expires)}"
    if summary.expires <= now:
        return f"expired {moment(summary.expires)}; the next sweep removes it"
    return f"{moment(summary.expires)}, in {age(now, summary.expires)}; a push extends it"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{cell(text[1:])}"


def _see(run: str) -> str:
    return f" ([run]({run}))" if run else ""


def _runbook(run: str) -> str:
    """Link to the runbook of the repository that the run belongs to."""
    repository, of_a_run, _ = run.partition("/actions/runs/")
    return f"[the runbook]({repository}/blob/HEAD/docs/runbook.md)" if of_a_run else "the runbook"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
