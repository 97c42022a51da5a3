"""The one comment of a preview, as Markdown: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from previews.diagnosis.migration_report import markdown
from previews.pulumi.progress import State, Step, StepState
from previews.reporting.wording import age, cell, code, dollars, duration, moment

if TYPE_CHECKING:
    from previews.diagnosis.migration_log import MigrationLog
    from previews.pull_request.presenter import Arrival, Failure
    from previews.reporting.preview_summary import Facts

MARKER = "<!-- previews: the comment of this pull request's preview -->"
"""By which the comment is found again."""

_SIGNS = {
    State.WAITING: "▫️",
    State.RUNNING: "⏳",
    State.DONE: "✅",
    State.SAME: "⏭️",
    State.FAILED: "❌",
}
_SHORT_COMMIT = 12
_KINDS_OF_DATA = {
    "snapshot": "an instance of its own",
    "branch": "a branch on the shared instance",
}
_NO_REPORT = "no report of what it does to the database"
_COMMANDS = (
    "`/preview reset-db` begins its data anew · `/preview keep` keeps it past its expiry ·"
    " `/preview destroy` removes it · a push updates it"
)


def working(
    stack: str,
    commit: str,
    states: Sequence[StepState],
    *,
    since: datetime,
    now: datetime,
    run: str,
) -> str:
    """While it comes up: which step it is at."""
    title = f"### ⏳ `{stack}` is coming up"
    about = f"`{commit[:_SHORT_COMMIT]}`, for {age(since, now)} by now{_see(run)}."
    return _join(title, about, _steps(states))


def up(arrival: Arrival, *, now: datetime, run: str = "", reset: datetime | None = None) -> str:
    """When it is up.

    Args:
        arrival: The preview.
        now: The time.
        run: Address of the run.
        reset: When its data was begun anew, if that is what was done.
    """
    facts, migration = arrival.facts, arrival.migration
    rows = summary(arrival, now=now, run=run, reset=reset)
    table = "\n".join(["| | |", "|---|---|", *(f"| **{name}** | {text} |" for name, text in rows)])
    title = f"### ✅ [{facts.stack}]({facts.url}) is up\n\n{facts.url}"
    report = markdown(migration.report).rstrip() if migration and migration.report else ""
    return _join(title, table, report, _COMMANDS)


def summary(
    arrival: Arrival, *, now: datetime, run: str = "", reset: datetime | None = None
) -> list[tuple[str, str]]:
    """What there is to say of a preview that is up, as names and Markdown; arguments as `up`'s."""
    facts, seconds = arrival.facts, arrival.seconds
    return [
        ("Commit", f"`{facts.commit[:_SHORT_COMMIT]}`"),
        *([] if seconds is None else [("Changed", _changed(arrival.states))]),
        ("Migrations", _migrations(arrival.migration)),
        *([] if seconds is None else [("Took", f"{duration(seconds)}{_see(run)}")]),
        ("Data", _data(facts, now) + (f"; begun anew {moment(reset)}" if reset else "")),
        ("Cost", _cost(facts, now)),
        ("Expires", _expiry(facts, kept=arrival.kept, now=now)),
    ]


def failed(stack: str, commit: str, failure: Failure, *, run: str = "") -> str:
    """When it did not come up: what it most likely is, what to do, and what was said.

    Args:
        stack: The preview.
        commit: The commit that was to be deployed.
        failure: Why, and how far it came.
        run: Address of the run.
    """
    autopsy, still = failure.autopsy, failure.still
    cause = autopsy.cause
    lines = [
        f"### ❌ `{stack}` did not come up",
        f"**{cause.why[0].upper()}{cause.why[1:]}.** {cause.remedy[0].upper()}{cause.remedy[1:]}",
        f"`{commit[:_SHORT_COMMIT]}`{_see(run)}; `{cause.code}` in {_runbook(run)}."
        + (f" What was there before, `{still[:_SHORT_COMMIT]}`, is still served." if still else ""),
        _steps(failure.states),
    ]
    for one in autopsy.failed:
        about = f"{one.name} ({one.type.rpartition(':')[2]})" if one.name else "What was said"
        lines.append(f"**{cell(about)}**\n\n{code(one.message or 'it said nothing')}")
    if failure.migration is not None:
        report = failure.migration.report
        lines.append(markdown(report).rstrip() if report else f"Migration: {_NO_REPORT}.")
    evidence = autopsy.evidence
    for container in evidence.containers:
        name = f"{container.pod} / {container.container}".rstrip(" /")
        log = "\n".join(container.log) or "nothing in its log"
        lines.append(_folded(f"{cell(name)}: {cell(container.reason)}", code(log)))
    if evidence.events:
        lines.append(_folded("Warnings of the cluster", code("\n".join(evidence.events))))
    if evidence.missing:
        lines.append(cell(evidence.missing))
    return _join(*lines)


def not_anew(stack: str, why: str, remedy: str, *, run: str = "") -> str:
    """When its data could not be begun anew."""
    title = f"### ⚠️ The data of `{stack}` did not begin anew"
    return _join(title, f"{cell(why)}{_see(run)}.", cell(remedy))


def no_room(stack: str, why: str, remedy: str, *, run: str = "") -> str:
    """When there is no room for it now."""
    return _join(f"### ⏸️ `{stack}` waits for room", f"{cell(why)}{_see(run)}.", cell(remedy))


def removed(stack: str, *, seconds: float | None, left: Sequence[str]) -> str:
    """When it is gone, or should be."""
    if not left:
        return _join(
            f"### 🧹 `{stack}` is gone",
            "Nothing of it is left"
            + ("" if seconds is None else f"; removing it took {duration(seconds)}")
            + ". The label brings it up again.",
        )
    return _join(
        f"### ⚠️ `{stack}` is not wholly gone",
        "Its state is kept, and the next sweep tries again. Still there:",
        code("\n".join(left)),
    )


def _join(*parts: str) -> str:
    return "\n\n".join([MARKER, *(part for part in parts if part)]) + "\n"


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
        return "nothing: it was there already"
    return ", ".join(changed) + (f"; as before: {', '.join(kept)}" if kept else "")


def _migrations(migration: MigrationLog | None) -> str:
    if migration is None:
        return "what they said could not be read"
    if migration.report is None:
        return "<br>".join([*map(cell, migration.applied), _NO_REPORT])
    return "<br>".join(map(cell, migration.applied)) or "none to apply"


def _data(facts: Facts, now: datetime) -> str:
    if not facts.snapshot:
        return "a copy of staging's" if facts.mode else "unknown"
    taken = facts.snapshot_created
    old = f", {age(taken, now)} old, of {moment(taken)}" if taken else ""
    kind = _KINDS_OF_DATA.get(facts.mode, facts.mode)
    return f"{kind}, from staging's snapshot `{facts.snapshot}`{old}"


def _cost(facts: Facts, now: datetime) -> str:
    if facts.cost is None:
        return "not known for this region or these sizes (`previews/reporting/prices.toml`)"
    so_far = facts.so_far(now)
    text = f"about {dollars(facts.cost.a_day)} a day"
    if so_far is not None:
        text += f", {dollars(so_far)} so far"
    return text + " at list prices" + ("" if facts.cost.verified else ", not all of them verified")


def _expiry(facts: Facts, *, kept: bool, now: datetime) -> str:
    if facts.expires is None:
        return "unknown"
    if kept:
        return f"kept by its label; without it {moment(facts.expires)}"
    if facts.expires <= now:
        return f"since {moment(facts.expires)}: the next sweep takes it"
    return f"{moment(facts.expires)}, in {age(now, facts.expires)}; a push puts it off"


def _see(run: str) -> str:
    return f" ([run]({run}))" if run else ""


def _runbook(run: str) -> str:
    """The page of the repository whose workflow this run is of."""
    repository, of_a_run, _ = run.partition("/actions/runs/")
    return f"[the runbook]({repository}/blob/HEAD/docs/runbook.md)" if of_a_run else "the runbook"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
