"""The scrub of a database: lock out, classify, scrub each table, restore foreign keys."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier

from database.access import roles
from database.scrub import catalogue, engine, lockout, state
from database.scrub.classification import TableTask, classify, unmatched
from database.scrub.errors import ScrubError
from database.scrub.proofs import prove
from database.scrub.rules import Keep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg2.extensions import connection
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import Table
    from database.scrub.rules import Rules


@dataclass(frozen=True)
class Summary:
    """The result of a scrub.

    Attributes:
        tables: Number of tables that this run rewrote.
        rows: Number of their rows, from the statistics.
        emptied: Number of tables that were emptied.
        seconds: Duration.
        before: True if the database had been scrubbed and proven before, and was not changed.
        unmatched: Rules whose table or column does not exist.
    """

    tables: int
    rows: int
    emptied: int
    seconds: float
    before: bool = False
    unmatched: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.before:
            return "scrubbed and proven before: not changed"
        return (
            f"{self.rows} rows of {self.tables} tables scrubbed, {self.emptied} tables emptied"
            f" in {self.seconds:.1f} s"
        )


def scrub_and_prove(
    database: connection, *more: connection, rules: Rules, report: Callable[[str], None]
) -> None:
    """Scrub a database and prove it, with its progress; see `run` and `prove`."""
    summary = run(database, *more, rules=rules)
    report(str(summary))
    for rule in summary.unmatched:
        report(f"{rule}: remove the rule, unless the snapshot is of another version")
    prove(database, *more, rules=rules)
    report("proven: no text that looks like personal data is left")


def run(database: connection, *more: connection, rules: Rules) -> Summary:
    """Scrub a database that is not in use yet, and disable connections until :func:`prove`.

    The next run resumes one that was killed. A database that was proven before is not changed,
    since later data is its user's.

    Args:
        database: As the database's owner, not in a transaction.
        more: Further connections, which scrub other tables in parallel.
        rules: Rules of all columns.

    Raises:
        ScrubError: A column has no rule or can't be scrubbed, or another role is connected.
        psycopg2.Error: A statement failed.
    """
    started = monotonic()
    with database, database.cursor() as cursor:
        if state.is_finished(cursor):
            return Summary(0, 0, 0, 0, before=True)
        # The session's lock: held until the connection is closed or its process killed.
        cursor.execute("SELECT pg_advisory_lock(%s)", (state.ADVISORY_LOCK,))
    with database, database.cursor() as cursor:
        lockout.refuse_if_in_use(cursor)
        state.begin(cursor)
        lockout.lock_out(cursor)
    # After a commit, so that connections stay disabled whatever is found now.
    with database, database.cursor() as cursor:
        tables = catalogue.read(cursor)
        tasks = _plan(cursor, tables, rules)
        _become_owner(cursor, tables)
        _drop_foreign_keys(cursor, tables, tasks)
        emptied = _truncate(cursor, tasks)
    scrubbed = _scrub_all((database, *more), [task for task in tasks if not task.truncate])
    _compact(database, tables)
    with database, database.cursor() as cursor:
        engine.set_limits(cursor)
        _restore_foreign_keys(cursor)
        _refresh(cursor, tables)
        rows = _rows(cursor, scrubbed)
    left = tuple(unmatched(tables, rules))
    return Summary(len(scrubbed), rows, emptied, monotonic() - started, unmatched=left)


def _plan(cursor: Cursor, tables: Sequence[Table], rules: Rules) -> list[TableTask]:
    if count := catalogue.large_objects(cursor):
        msg = (
            f"the database contains {count} large objects, which rules can't cover, so nothing was"
            " scrubbed and connections stay disabled. Store their content in a column, or remove"
            " them"
        )
        raise ScrubError(msg)
    return classify(tables, catalogue.foreign_keys(cursor), rules)


def _become_owner(cursor: Cursor, tables: Sequence[Table]) -> None:
    """Join the owners of the tables: only an owner, or one of its members, can rewrite a table."""
    cursor.execute("SELECT current_user")
    ((master,),) = cursor.fetchall()
    for owner in sorted({table.owner for table in tables} - {master}):
        roles.join(cursor, owner)


def _drop_foreign_keys(cursor: Cursor, tables: Sequence[Table], tasks: Sequence[TableTask]) -> None:
    """Drop foreign keys of columns that change: they are violated between two scrubs of tables."""
    by_oid = {table.oid: table for table in tables}
    changing = {
        (task.table.root, name)
        for task in tasks
        for name, rule in task.columns.items()
        if not isinstance(rule, Keep)
    }
    for key in catalogue.foreign_keys(cursor):
        if key.table not in by_oid:
            continue
        table = by_oid[key.table]
        ends = {(table.root, name) for name in key.columns}
        ends |= {(key.target, name) for name in key.target_columns}
        if ends & changing:
            state.keep_foreign_key(cursor, table, key)
            cursor.execute(
                SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table.sql, Identifier(key.name))
            )


def _restore_foreign_keys(cursor: Cursor) -> None:
    tables = {table.label: table for table in catalogue.read(cursor)}
    for label, name, definition in state.kept_foreign_keys(cursor):
        cursor.execute(
            SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                tables[label].sql, Identifier(name), SQL(definition)
            )
        )
    state.forget_foreign_keys(cursor)


def _truncate(cursor: Cursor, tasks: Sequence[TableTask]) -> int:
    """Empty tables in one statement, which TRUNCATE requires if they reference each other."""
    names = [SQL("ONLY {}").format(task.table.sql) for task in tasks if task.truncate]
    if names:
        cursor.execute(SQL("TRUNCATE {}").format(SQL(", ").join(names)))
        for task in tasks:
            if task.truncate:
                cursor.execute(SQL("ANALYZE {}").format(task.table.sql))
    return len(names)


class _Queue:
    """The tables that no thread has taken yet."""

    def __init__(self, tasks: Sequence[TableTask]) -> None:
        self._left = list(reversed(tasks))
        self._lock = threading.Lock()

    def take(self) -> TableTask | None:
        """Return the next table; None if all are taken or a thread failed."""
        with self._lock:
            return self._left.pop() if self._left else None

    def clear(self) -> None:
        """Let the other threads finish after their present table."""
        with self._lock:
            self._left.clear()


def _scrub_all(databases: Sequence[connection], tasks: Sequence[TableTask]) -> list[Table]:
    """Scrub the tables, the largest first, one per connection in parallel."""
    queue = _Queue(tasks)
    with ThreadPoolExecutor(len(databases)) as threads:
        futures = [threads.submit(_scrub_from, queue, database) for database in databases]
    return [table for future in futures for table in future.result()]


def _scrub_from(queue: _Queue, database: connection) -> list[Table]:
    scrubbed = []
    try:
        while task := queue.take():
            with database, database.cursor() as cursor:
                if engine.scrub(cursor, task, state.done(cursor)):
                    scrubbed.append(task.table)
    except BaseException:
        queue.clear()
        raise
    return scrubbed


def _compact(database: connection, tables: Sequence[Table]) -> None:
    """Remove old rows from the files of tables that were updated in place."""
    with database, database.cursor() as cursor:
        waiting = state.uncompacted(cursor)
    for table in tables:
        if table.label not in waiting:
            continue
        # VACUUM runs outside of transactions, and needs no time limit.
        database.autocommit = True
        try:
            with database.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
                cursor.execute(SQL("VACUUM (FULL, ANALYZE) {}").format(table.sql))
                cursor.execute("RESET statement_timeout")
                state.mark_compacted(cursor, table.label)
        finally:
            database.autocommit = False


def _refresh(cursor: Cursor, tables: Sequence[Table]) -> None:
    """Refresh materialized views, which are copies of the old data."""
    for table in sorted(tables, key=lambda table: table.oid):
        if table.kind == "m":
            cursor.execute(SQL("REFRESH MATERIALIZED VIEW {}").format(table.sql))
            cursor.execute(SQL("ANALYZE {}").format(table.sql))


def _rows(cursor: Cursor, tables: Sequence[Table]) -> int:
    cursor.execute(
        "SELECT coalesce(sum(reltuples), 0)::bigint FROM pg_class WHERE oid = ANY (%s::oid[])",
        ([table.oid for table in tables],),
    )
    ((rows,),) = cursor.fetchall()
    return int(rows)
