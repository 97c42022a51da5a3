"""The report of a migration: JSON that the Job writes as one line of its log.

Readers must treat it as untrusted, since it comes from the pull request's image; ``previews`` has
a model of its own for that.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lock(_Model):
    """A blocking lock on a table that existed before the step.

    Attributes:
        table: The table.
        mode: PostgreSQL's name of the lock.
        blocks: Operations that have to wait.
        seconds: Time from the start of the statement that took it until the step's end.
    """

    table: str
    mode: str
    blocks: Literal["reads and writes", "writes"]
    seconds: float


class Rows(_Model):
    """Rows that a step wrote.

    Attributes:
        table: The table.
        rows: Number of rows; for a rewritten table, from its statistics.
        how: ``rewritten`` if the whole table was written into a new file, else ``changed``.
    """

    table: str
    rows: int
    how: Literal["rewritten", "changed"]


class Step(_Model):
    """One revision.

    Attributes:
        revision: Its identifier.
        title: The first line of its description.
        seconds: Duration.
        undone: True if it was tried in a transaction that was rolled back; else it was applied.
        locks: Blocking locks.
        rows: Rows that it wrote.
    """

    revision: str
    title: str
    seconds: float
    undone: bool
    locks: tuple[Lock, ...] = ()
    rows: tuple[Rows, ...] = ()


class Report(_Model):
    """The whole migration.

    Attributes:
        before: Revision of the database before, None if it was empty.
        head: Revision of the image.
        max_lock_seconds: Limit on the duration of blocking locks.
        long_locks_meant: True if the pull request declares longer locks as intended.
        steps: The revisions, in order.
        removed: Removed lines of the schema.
        added: New lines of the schema.
        refused: Reasons to refuse the migration; empty if it is accepted.
    """

    before: str | None
    head: str
    max_lock_seconds: float
    long_locks_meant: bool
    steps: tuple[Step, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def complaints(step: Step, *, max_lock_seconds: float) -> list[str]:
    """Return a sentence for each lock of a step that exceeds the limit."""
    return [
        f"step {step.revision} ({step.title}) would hold {lock.mode} on {lock.table} for"
        f" {lock.seconds:.1f} s, and {lock.blocks} wait meanwhile; the limit is"
        f" {max_lock_seconds:g} s"
        for lock in step.locks
        if lock.seconds > max_lock_seconds
    ]
