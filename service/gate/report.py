"""What is told of a migration: the JSON that the Job writes as one line of its log.

Whoever shows it reads it as another's text, for it comes from the pull request's own image:
``previews`` has a model of its own for that.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lock(_Model):
    """A lock on a table that was there before, and that makes others wait.

    Attributes:
        table: The table.
        mode: PostgreSQL's name of it.
        blocks: Who has to wait.
        seconds: From the begin of the statement that took it until the step's end.
    """

    table: str
    mode: str
    blocks: Literal["reads and writes", "writes"]
    seconds: float


class Rows(_Model):
    """Rows that a step touched.

    Attributes:
        table: The table.
        rows: How many; of a rewritten table as many as its statistics say.
        how: Whether the whole table was written into a new file, or rows changed in it.
    """

    table: str
    rows: int
    how: Literal["rewritten", "changed"]


class Step(_Model):
    """One revision.

    Attributes:
        revision: Its identifier.
        title: The first line of its description.
        seconds: How long it took.
        undone: Whether it was tried in a transaction that was rolled back; else it was applied.
        locks: Locks that make others wait.
        rows: Rows that it touched.
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
        before: The database's revision before, None for an empty one.
        head: The image's.
        max_lock_seconds: The longest that others may have to wait.
        long_locks_meant: Whether the pull request says that a longer lock is meant.
        steps: The revisions, in their order.
        removed: Lines of the schema that are no longer there.
        added: Lines of the schema that are new.
        refused: Why the migration is refused; empty when it is not.
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
    """Locks of a step that last too long, as sentences."""
    return [
        f"step {step.revision} ({step.title}) would hold {lock.mode} on {lock.table} for"
        f" {lock.seconds:.1f} s, and {lock.blocks} wait meanwhile; the limit is"
        f" {max_lock_seconds:g} s"
        for lock in step.locks
        if lock.seconds > max_lock_seconds
    ]
