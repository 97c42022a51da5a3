"""A whole scrub: lock out, classify, scrub table by table, put back what had to wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier

from database.scrub import catalogue, engine, lockout, state
from database.scrub.classification import Work, classify
from database.scrub.errors import ScrubError
from database.scrub.rules import Keep
from service.prepare import roles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import connection
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import Table
    from database.scrub.rules import Rules


@dataclass(frozen=True)
class Summary:
    """What a scrub did.

    Attributes:
        tables: Tables that were rewritten; those done before are not counted.
        rows: Rows of them, as the statistics say.
        emptied: Tables that were emptied.
        seconds: How long it took.
        before: Whether the database had been scrubbed and proven before, and was left alone.
    """

    tables: int
    rows: int
    emptied: int
    seconds: float
    before: bool = False

    def __str__(self) -> str:
        if self.before:
            return "scrubbed and proven before: left as it is"
        return (
            f"{self.rows} rows of {self.tables} tables scrubbed, {self.emptied} tables emptied"
            f" in {self.seconds:.1f} s"
        )


def run(
    database: connection, *more: connection, rules: Rules, revision: str | None = None
) -> Summary:
    """Scrub a database that nobody uses yet. Until :func:`prove` has ended, nobody may connect.

    What is done stays done: after a kill the next run goes on from there. A database that was
    proven before is left alone, for what it holds since then is its user's.

    Args:
        database: As the database's owner, not in a transaction.
        more: Further connections, which scrub other tables at the same time.
        rules: What becomes of each column.
        revision: The migration that the rules describe. At another one the database may lack
            a table or a column that has a rule; None asks for all of them.

    Raises:
        ScrubError: Something is not classified, can't be scrubbed, or somebody is connected.
        psycopg2.Error: The database refused.
    """
    started = monotonic()
    with database, database.cursor() as cursor:
        if state.is_finished(cursor):
            return Summary(0, 0, 0, 0, before=True)
        # The session's, and so held until the connection is closed or its process killed.
        cursor.execute("SELECT pg_advisory_lock(%s)", (state.ADVISORY_LOCK,))
    with database, database.cursor() as cursor:
        lockout.refuse_if_in_use(cursor)
        state.begin(cursor)
        lockout.lock_out(cursor)
    # In a transaction of its own: nobody may connect, whatever is found now.
    with database, database.cursor() as cursor:
        tables = catalogue.read(cursor)
        works = _plan(cursor, tables, rules, revision)
        _become_owner(cursor, tables)
        _hold_foreign_keys_back(cursor, tables, works)
        emptied = _truncate(cursor, works)
    scrubbed = _scrub_all((database, *more), [work for work in works if not work.truncate])
    _compact(database, tables)
    with database, database.cursor() as cursor:
        engine.set_limits(cursor)
        _put_foreign_keys_back(cursor)
        _refresh(cursor, tables)
        rows = _rows(cursor, scrubbed)
    return Summary(len(scrubbed), rows, emptied, monotonic() - started)


def _plan(
    cursor: Cursor, tables: Sequence[Table], rules: Rules, revision: str | None
) -> list[Work]:
    if count := catalogue.large_objects(cursor):
        msg = (
            f"nothing was scrubbed, and nobody may connect: there are {count} large objects,"
            " which no rule can classify: keep their content in a column, or remove them"
        )
        raise ScrubError(msg)
    exact = revision is None or _revision(cursor) == revision
    return classify(tables, catalogue.foreign_keys(cursor), rules, exact=exact)


def _revision(cursor: Cursor) -> str | None:
    """The migration that the database is at, as Alembic keeps it."""
    cursor.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return None
    cursor.execute("SELECT version_num FROM public.alembic_version")
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def _become_owner(cursor: Cursor, tables: Sequence[Table]) -> None:
    """Only an owner, or who may act as it, can rewrite a table."""
    cursor.execute("SELECT current_user")
    ((master,),) = cursor.fetchall()
    for owner in sorted({table.owner for table in tables} - {master}):
        roles.join(cursor, owner)


def _hold_foreign_keys_back(cursor: Cursor, tables: Sequence[Table], works: Sequence[Work]) -> None:
    """Drop the foreign keys of columns that change: between two tables they do not hold."""
    by_oid = {table.oid: table for table in tables}
    changing = {
        (work.table.root, name)
        for work in works
        for name, rule in work.columns.items()
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


def _put_foreign_keys_back(cursor: Cursor) -> None:
    tables = {table.label: table for table in catalogue.read(cursor)}
    for label, name, definition in state.kept_foreign_keys(cursor):
        cursor.execute(
            SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                tables[label].sql, Identifier(name), SQL(definition)
            )
        )
    state.forget_foreign_keys(cursor)


def _truncate(cursor: Cursor, works: Sequence[Work]) -> int:
    """Empty, in one statement, since tables that refer to each other can only go together."""
    names = [SQL("ONLY {}").format(work.table.sql) for work in works if work.truncate]
    if names:
        cursor.execute(SQL("TRUNCATE {}").format(SQL(", ").join(names)))
        for work in works:
            if work.truncate:
                cursor.execute(SQL("ANALYZE {}").format(work.table.sql))
    return len(names)


class _Queue:
    """Tables, one at a time, for whoever is free."""

    def __init__(self, works: Sequence[Work]) -> None:
        self._left = list(reversed(works))
        self._lock = threading.Lock()

    def take(self) -> Work | None:
        """What to scrub next; None when all is taken or somebody failed."""
        with self._lock:
            return self._left.pop() if self._left else None

    def give_up(self) -> None:
        """Let the others end after what they are at."""
        with self._lock:
            self._left.clear()


def _scrub_all(databases: Sequence[connection], works: Sequence[Work]) -> list[Table]:
    """Scrub the tables, the largest first, as many at once as there are connections."""
    queue = _Queue(works)
    with ThreadPoolExecutor(len(databases)) as threads:
        turns = [threads.submit(_take_turns, database, queue) for database in databases]
    return [table for turn in turns for table in turn.result()]


def _take_turns(database: connection, queue: _Queue) -> list[Table]:
    scrubbed = []
    try:
        while work := queue.take():
            with database, database.cursor() as cursor:
                if engine.scrub(cursor, work, state.done(cursor)):
                    scrubbed.append(work.table)
    except BaseException:
        queue.give_up()
        raise
    return scrubbed


def _compact(database: connection, tables: Sequence[Table]) -> None:
    """Remove old rows from the files of tables that were updated in place."""
    with database, database.cursor() as cursor:
        waiting = state.uncompacted(cursor)
    for table in tables:
        if table.label not in waiting:
            continue
        # VACUUM runs in no transaction, and may take its time.
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
    """Make materialized views anew: they are copies of what was there before."""
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
