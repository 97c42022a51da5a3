"""The log of the Job ``migrate``: the steps that it applied, and its report of their effects.

The Job runs the pull request's own image, so its log is untrusted text: the report's form is
checked, its length bounded, and nothing of it can become a link, a mention or a tag in the
comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.kubernetes import Cluster

MARK = "migrate: report "
"""The prefix of the report's line in the log."""

_LOG_LINES = 200
_APPLIED = re.compile(r"migrate: \d+/\d+ applied (\S+) \((.*)\)$")
_LINES_SHOWN = 60
_LONGEST = 300
# A comment holds 65,536 characters, and has other parts.
_MOST = 20_000

_Text = Annotated[str, Field(max_length=4000)]
_Seconds = Annotated[float, Field(ge=0, le=86_400)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableLock(_Model):
    """A lock that blocks others."""

    table: _Text
    mode: _Text
    blocks: Literal["reads and writes", "writes"]
    seconds: _Seconds


class TouchedRows(_Model):
    """The rows that a step touched in a table."""

    table: _Text
    rows: Annotated[int, Field(ge=0)]
    how: Literal["rewritten", "changed"]


class MigrationStep(_Model):
    """One revision."""

    revision: _Text
    title: _Text
    seconds: _Seconds
    undone: bool
    locks: Annotated[tuple[TableLock, ...], Field(max_length=200)] = ()
    rows: Annotated[tuple[TouchedRows, ...], Field(max_length=200)] = ()


class MigrationReport(_Model):
    """The whole migration, as a migrate command prints it in a line that begins with its name."""

    before: _Text | None
    head: _Text
    max_lock_seconds: _Seconds
    long_locks_meant: bool
    steps: Annotated[tuple[MigrationStep, ...], Field(max_length=200)] = ()
    removed: Annotated[tuple[_Text, ...], Field(max_length=2000)] = ()
    added: Annotated[tuple[_Text, ...], Field(max_length=2000)] = ()
    refused: Annotated[tuple[_Text, ...], Field(max_length=200)] = ()


class MigrationLog(BaseModel):
    """The log of a migration.

    Attributes:
        ran: False if no migration was run, as for an app that has none.
        applied: The steps that it applied, a line each.
        report: Their effects on the database; None without a report of the known form.
    """

    model_config = ConfigDict(frozen=True)

    ran: bool = True
    applied: tuple[str, ...] = ()
    report: MigrationReport | None = None


def read(connect: Callable[[], Cluster], namespace: str) -> MigrationLog | None:
    """Return the log of the last migration in a namespace; None where it can't be read."""
    try:
        cluster = connect()
        found = cluster.each("pods", namespace=namespace)
        pods = [pod for pod in found if pod.name.startswith("migrate-")]
        pods.sort(key=lambda pod: str(pod.metadata.get("creationTimestamp", "")))
        if not pods:
            return MigrationLog(ran=False)
        lines = cluster.log(pods[-1], lines=_LOG_LINES)
    except (PreviewsError, OSError):
        return None
    return parse("\n".join(lines))


def parse(log: str) -> MigrationLog:
    """Return the applied steps and the report of a log."""
    applied = (_APPLIED.match(line.strip()) for line in log.splitlines())
    return MigrationLog(
        applied=tuple(f"{match[1]}: {match[2]}" for match in applied if match),
        report=find(log),
    )


def find(log: str) -> MigrationReport | None:
    """Return the last report in a log; None without one of the known form."""
    for line in reversed(log.splitlines()):
        if line.startswith(MARK):
            try:
                return MigrationReport.model_validate_json(line.removeprefix(MARK))
            except ValidationError:
                return None
    return None


def markdown(report: MigrationReport) -> str:
    """Return the report for the pull request's comment; empty if nothing was migrated."""
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
        verdict = "passes; long locks are intended"
    before = _code(report.before) if report.before else "an empty database"
    return f"**Migration** from {before} to {_code(report.head)} {verdict}."


def _row(step: MigrationStep, limit: float) -> str:
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
    """Return the schema's difference, folded, in a block that none of its lines can end."""
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
    """Return one line of bounded length, without secrets or the end of a block of code."""
    line = " ".join(redact(text).split()).replace("`", "'")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _code(text: str) -> str:
    """Return a span of code: nothing in it is markup or ends a table's cell."""
    return f"`{_plain(text).replace('|', '¦')}`"
