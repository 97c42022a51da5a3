"""What a migration does to a database, as the pull request's comment shows it.

The report comes from the log of a Job that runs the pull request's own image. So it is text
of somebody who is not trusted: its form is checked, its length bounded, and nothing of it can
become a link, a mention or a tag in the comment.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from previews.diagnosis.redaction import redact

MARK = "migrate: report "
"""What begins the report's line in the log of the Job ``migrate``."""

_LINES_SHOWN = 60
_LONGEST = 300
# A comment holds 65,536 characters, and there is more to say in it than this.
_MOST = 20_000

_Text = Annotated[str, Field(max_length=4000)]
_Seconds = Annotated[float, Field(ge=0, le=86_400)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lock(_Model):
    """A lock that keeps others waiting."""

    table: _Text
    mode: _Text
    blocks: Literal["reads and writes", "writes"]
    seconds: _Seconds


class Rows(_Model):
    """Rows that a step touched."""

    table: _Text
    rows: Annotated[int, Field(ge=0)]
    how: Literal["rewritten", "changed"]


class Step(_Model):
    """One revision."""

    revision: _Text
    title: _Text
    seconds: _Seconds
    undone: bool
    locks: Annotated[tuple[Lock, ...], Field(max_length=200)] = ()
    rows: Annotated[tuple[Rows, ...], Field(max_length=200)] = ()


class MigrationReport(_Model):
    """The whole migration, as ``service/gate/report.py`` writes it."""

    before: _Text | None
    head: _Text
    max_lock_seconds: _Seconds
    long_locks_meant: bool
    steps: Annotated[tuple[Step, ...], Field(max_length=200)] = ()
    removed: Annotated[tuple[_Text, ...], Field(max_length=2000)] = ()
    added: Annotated[tuple[_Text, ...], Field(max_length=2000)] = ()
    refused: Annotated[tuple[_Text, ...], Field(max_length=200)] = ()


def find(log: str) -> MigrationReport | None:
    """The last report in the log of the Job; None where there is none that has its form."""
    for line in reversed(log.splitlines()):
        if line.startswith(MARK):
            try:
                return MigrationReport.model_validate_json(line.removeprefix(MARK))
            except ValidationError:
                return None
    return None


def markdown(report: MigrationReport) -> str:
    """The report for the pull request's comment; empty when there was nothing to migrate."""
    if not report.steps and not report.refused:
        return ""
    lines = [_headline(report)]
    if report.steps:
        lines += [
            "",
            "| step | time | others wait for | rows |",
            "|---|---|---|---|",
            *(_row(step, report.max_lock_seconds) for step in report.steps),
        ]
    if report.refused:
        lines += ["", *(f"- {_code(line)}" for line in report.refused)]
    if report.removed or report.added:
        lines += ["", *_difference(report)]
    text = "\n".join(lines) + "\n"
    if len(text) > _MOST:
        return f"{_headline(report)} The rest is too long for a comment: see the Job's log.\n"
    return text


def _headline(report: MigrationReport) -> str:
    verdict = "passes"
    if report.refused:
        verdict = f"**is refused**: a lock is held longer than {report.max_lock_seconds:g} s"
    elif report.long_locks_meant:
        verdict = "passes; long locks are meant"
    before = _code(report.before) if report.before else "an empty database"
    return f"**Migration** from {before} to {_code(report.head)} {verdict}."


def _row(step: Step, limit: float) -> str:
    name = _code(f"{step.revision} {step.title}")
    if not step.undone:
        name += " (outside of a transaction)"
    waits = "<br>".join(
        f"{_code(lock.table)}: {lock.blocks}, {_seconds(lock.seconds)}"
        + (" **too long**" if lock.seconds > limit else "")
        for lock in step.locks
    )
    rows = "<br>".join(f"{_code(rows.table)}: {rows.rows:,} {rows.how}" for rows in step.rows)
    return f"| {name} | {_seconds(step.seconds)} | {waits or 'nothing'} | {rows or 'none'} |"


def _difference(report: MigrationReport) -> list[str]:
    """The schema's difference, folded away; in a block that none of its lines can end."""
    changes = [
        *(f"- {_plain(line)}" for line in report.removed),
        *(f"+ {_plain(line)}" for line in report.added),
    ]
    more = len(changes) - _LINES_SHOWN
    shown = changes[:_LINES_SHOWN] + ([f"  … and {more} more lines"] if more > 0 else [])
    title = f"Schema: {len(report.removed)} lines removed, {len(report.added)} added"
    return [
        f"<details><summary>{title}</summary>",
        "",
        "```diff",
        *shown,
        "```",
        "",
        "</details>",
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _plain(text: str) -> str:
    """One line, of bounded length, without secrets and without what ends a block of code."""
    line = " ".join(redact(text).split()).replace("`", "'")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _code(text: str) -> str:
    """A span of code: nothing in it is markup, and a table's cell does not end in it."""
    return f"`{_plain(text).replace('|', '¦')}`"
