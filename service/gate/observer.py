"""Observation of a migration from its own connection, which alone sees uncommitted changes.

A transaction keeps its locks until its end, so it is enough to check after each statement: a
new lock was taken by that statement, and is held until the step ends. This is exact to one
statement, while samples from outside would miss short ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event

from service.gate.report import Lock, Rows, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from sqlalchemy import Connection

# Other modes block neither reads nor writes.
_BLOCKING = {
    "AccessExclusiveLock": "reads and writes",
    "ExclusiveLock": "writes",
    "ShareRowExclusiveLock": "writes",
    "ShareLock": "writes",
}
_TABLES = """
SELECT oid, relname::text, relfilenode, greatest(reltuples, 0)::bigint FROM pg_class
WHERE relkind IN ('r', 'p', 'm') AND relnamespace = 'public'::regnamespace
  AND relname <> 'alembic_version'
"""
_LOCKS = """
SELECT relation, mode FROM pg_locks
WHERE pid = %s AND granted AND locktype = 'relation' AND mode = ANY (%s)
"""
_CHANGED = """
SELECT relid, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
WHERE schemaname = 'public'
"""


@dataclass(frozen=True)
class _Table:
    name: str
    file: int
    rows: int


def driver_cursor(connection: Connection) -> Cursor:
    """Return a cursor of psycopg2, which triggers no events of SQLAlchemy."""
    return cast("Cursor", connection.connection.cursor())


def backend_pid(connection: Connection) -> int:
    """Return the PID of the server process of a connection."""
    with driver_cursor(connection) as cursor:
        return cursor.connection.info.backend_pid


def held(cursor: Cursor, pid: int) -> set[tuple[int, str]]:
    """Return the blocking locks of a session: table and mode."""
    cursor.execute(_LOCKS, (pid, list(_BLOCKING)))
    return set(cursor.fetchall())


def as_locks(tables: Mapping[int, str], since: Mapping[tuple[int, str], float]) -> tuple[Lock, ...]:
    """Convert locks on tables that existed before the step, the longest first."""
    found = (
        Lock.model_validate(
            {
                "table": tables[table],
                "mode": mode,
                "blocks": _BLOCKING[mode],
                "seconds": round(seconds, 3),
            }
        )
        for (table, mode), seconds in since.items()
        if table in tables
    )
    return tuple(sorted(found, key=lambda lock: (-lock.seconds, lock.table, lock.mode)))


class Observer:
    """Observation of the statements of one connection, step by step.

    Args:
        connection: The migration's connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pid = backend_pid(connection)
        self._began = monotonic()
        event.listen(connection, "before_cursor_execute", self._before)
        event.listen(connection, "after_cursor_execute", self._after)
        self._carried: set[tuple[int, str]] = set()
        self._start()

    def close(self) -> None:
        """Stop observing."""
        event.remove(self._connection, "before_cursor_execute", self._before)
        event.remove(self._connection, "after_cursor_execute", self._after)

    @property
    def tables(self) -> dict[int, str]:
        """Names of the tables that existed when the step began, by OID."""
        return {number: table.name for number, table in self._tables.items()}

    def held(self) -> set[tuple[int, str]]:
        """Return the blocking locks that the uncommitted step holds."""
        with driver_cursor(self._connection) as cursor:
            return held(cursor, self._pid)

    def end_step(self, revision: str, title: str, *, undone: bool) -> Step:
        """Return the record of the step that ends now, before the end of its transaction."""
        now = monotonic()
        with driver_cursor(self._connection) as cursor:
            rows = tuple(self._rows(cursor))
        step = Step(
            revision=revision,
            title=title,
            seconds=round(now - self._began, 3),
            undone=undone,
            locks=as_locks(self.tables, {lock: now - at for lock, at in self._since.items()}),
            rows=rows,
        )
        if undone:
            # All steps are in one transaction, so the next one starts with these locks.
            self._carried |= set(self._since)
        self._start()
        return step

    def _start(self) -> None:
        self._since: dict[tuple[int, str], float] = {}
        with driver_cursor(self._connection) as cursor:
            cursor.execute(_TABLES)
            self._tables = {number: _Table(*table) for number, *table in cursor.fetchall()}
            cursor.execute(_CHANGED)
            self._counted = dict(cursor.fetchall())
        self._began = self._statement = monotonic()

    def _rows(self, cursor: Cursor) -> Iterator[Rows]:
        cursor.execute(_CHANGED)
        counted = dict(cursor.fetchall())
        cursor.execute(_TABLES)
        files = {number: file for number, _, file, _ in cursor.fetchall()}
        for number, table in sorted(self._tables.items(), key=lambda item: item[1].name):
            if files.get(number, table.file) != table.file:
                yield Rows(table=table.name, rows=table.rows, how="rewritten")
            elif (changed := counted.get(number, 0) - self._counted.get(number, 0)) > 0:
                yield Rows(table=table.name, rows=changed, how="changed")

    def _before(self, *_: Any) -> None:
        self._statement = monotonic()

    def _after(self, *_: Any) -> None:
        with driver_cursor(self._connection) as cursor:
            for lock in held(cursor, self._pid) - self._carried:
                self._since.setdefault(lock, self._statement)
