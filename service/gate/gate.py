"""The gate: a migration is tried before it is applied, and observed while it is applied.

First all its steps run in one transaction that is rolled back, so that errors are found with
nothing changed. Then they are applied one by one, as Alembic does, and each is checked again
before its commit, since only then it is certain which of several steps takes a lock. A step that
leaves its transaction, for ``CREATE INDEX CONCURRENTLY``, can't be tried without being applied;
it and the following steps are checked when they are applied.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from alembic import command

from service.database.migration import migration_engine
from service.gate import schema
from service.gate.observer import Observer, backend_pid, driver_cursor
from service.gate.report import Report, Step, complaints
from service.gate.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.config import Config
    from sqlalchemy import Connection

    from service.settings import GateSettings, MigrationSettings


class RefusedError(Exception):
    """Refusal of a migration whose locks are held for too long; the message names them."""


class _NotTransactionalError(Exception):
    """End of the trial at a step that leaves its transaction, and could not be rolled back."""


class Gate:
    """Observation of the pending steps of one migration.

    Args:
        connection: The migration's connection.
        settings: The limit.
        login: Login for a second connection, to observe a step outside of a transaction.
        pending: Revisions and titles, in order.
        before: Revision of the database.
        head: Revision of the image.

    Attributes:
        report: The findings so far.
    """

    report: Report

    def __init__(
        self,
        connection: Connection,
        settings: GateSettings,
        login: MigrationSettings,
        *,
        pending: list[tuple[str, str]],
        before: str | None,
        head: str,
    ) -> None:
        self._connection = connection
        self._login = login
        self._pending = pending
        self._tried: dict[str, Step] = {}
        self._applied: dict[str, Step] = {}
        self._observer: Observer | None = None
        self._sampler: Sampler | None = None
        self.report = Report(
            before=before,
            head=head,
            max_lock_seconds=settings.max_lock_seconds or 0,
            long_locks_meant=settings.long_locks_meant,
        )

    @property
    def tried(self) -> int:
        """Number of steps that were tried."""
        return len(self._tried)

    def try_out(self, config: Config) -> None:
        """Run the steps in a transaction that is rolled back.

        Raises:
            RefusedError: A lock would be held for too long.
        """
        lines = self._lines()
        config.attributes["connection"] = self._connection
        config.attributes["autocommit_block"] = self._leaves_transaction
        config.attributes["on_version_apply"] = self._step_tried
        transaction = self._connection.begin()
        self._observer = Observer(self._connection)
        try:
            command.upgrade(config, "head")
            self._conclude(lines, self._lines())
        except _NotTransactionalError:
            self._conclude(lines, lines)
        finally:
            self._observer.close()
            transaction.rollback()
            del config.attributes["autocommit_block"]
        self._check_locks(self._tried.values())

    @contextmanager
    def applying(self) -> Iterator[None]:
        """Observe the steps while they are applied."""
        lines = self._lines()
        self._connection.commit()
        self._observer = Observer(self._connection)
        self._connection.commit()
        try:
            with self._sampling():
                yield
            self._conclude(lines, self._lines())
            self._connection.commit()
        finally:
            self._observer.close()

    def step_applied(self, number: int) -> None:
        """Check the locks of a step before it is committed.

        Raises:
            RefusedError: It would hold a lock for too long.
        """
        assert self._observer is not None  # noqa: S101 - within `applying`
        revision, title = self._pending[number]
        tables = self._observer.tables
        step = self._observer.end_step(revision, title, undone=False)
        if self._sampler is not None:
            seen = {(lock.table, lock.mode) for lock in step.locks}
            sampled = self._sampler.locks(tables)
            others = tuple(lock for lock in sampled if (lock.table, lock.mode) not in seen)
            step = step.model_copy(update={"locks": step.locks + others})
            self._sampler.next_step(self._observer.held())
        self._applied[revision] = step
        self._check_locks([step])

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        """Sample locks from a second connection too, if a step could not be tried."""
        if len(self._tried) == len(self._pending):
            yield
            return
        with Sampler(migration_engine(self._login), backend_pid(self._connection)) as self._sampler:
            yield

    def _leaves_transaction(self) -> NoReturn:
        raise _NotTransactionalError

    def _step_tried(self, **_: Any) -> None:
        assert self._observer is not None  # noqa: S101 - set by `try_out`
        revision, title = self._pending[len(self._tried)]
        self._tried[revision] = self._observer.end_step(revision, title, undone=True)

    def _conclude(self, before: set[str], after: set[str]) -> None:
        """Complete the report with the steps of the trial, or of the application without one."""
        steps = self._applied | self._tried
        ordered = tuple(steps[revision] for revision, _ in self._pending if revision in steps)
        update: dict[str, Any] = {"steps": ordered}
        if before != after:
            update |= schema.difference(before, after)
        self.report = self.report.model_copy(update=update)

    def _check_locks(self, steps: Iterable[Step]) -> None:
        refused = tuple(
            line
            for step in steps
            for line in complaints(step, max_lock_seconds=self.report.max_lock_seconds)
        )
        if refused and not self.report.long_locks_meant:
            self.report = self.report.model_copy(update={"refused": refused})
            msg = (
                f"{'; '.join(refused)}. The migration was rolled back. Split it into steps"
                " with shorter locks, or label the pull request preview-long-migration if they are"
                " intended"
            )
            raise RefusedError(msg)

    def _lines(self) -> set[str]:
        with driver_cursor(self._connection) as cursor:
            return schema.lines(cursor)

    def write_report(self) -> None:
        """Write the report as one line of the log."""
        sys.stdout.write(f"migrate: report {self.report.model_dump_json()}\n")
        sys.stdout.flush()
