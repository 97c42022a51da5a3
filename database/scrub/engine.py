"""The scrub of one table: one statement, which rewrites all its columns in one pass.

``ALTER TABLE … ALTER COLUMN … TYPE … USING`` writes the table into a new file, rebuilds its
indexes instead of updating them row by row, checks its constraints, and leaves no old row
behind, all in one transaction. If PostgreSQL refuses that, for a view or a trigger on a
column, an UPDATE is used, and VACUUM FULL then removes the old rows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from psycopg2.sql import NULL, SQL, Composable, Identifier, Literal

from database.scrub import fakes, state
from database.scrub.rules import Constant, Fake, Hash, Keep, Null, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import Column, Table
    from database.scrub.classification import TableTask
    from database.scrub.rules import ColumnRule

_HASH_DIGITS = 64
# A column's own default depends on it, and does not prevent a new type.
_BLOCKERS = """
SELECT EXISTS (
    SELECT FROM pg_depend AS d
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(table)s
      AND d.refobjsubid = ANY (%(columns)s)
      AND d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass,
                        'pg_attrdef'::regclass, 'pg_proc'::regclass,
                        'pg_publication_rel'::regclass)
      AND NOT EXISTS (SELECT FROM pg_attrdef AS own
                      WHERE d.classid = 'pg_attrdef'::regclass AND own.oid = d.objid
                        AND own.adnum = d.refobjsubid))
"""
_LIMITS = """
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL maintenance_work_mem = '128MB';
SET LOCAL datestyle = 'ISO';
SET LOCAL row_security = off;
"""


def set_limits(cursor: Cursor) -> None:
    """Remove this transaction's timeouts, and let it fail if a row policy hides rows from it."""
    cursor.execute(_LIMITS)


def scrub(cursor: Cursor, task: TableTask, done: dict[tuple[str, str], str]) -> bool:
    """Scrub the columns of a table that are not done yet, and record them, in one transaction.

    Returns:
        True if a column was changed.
    """
    table = task.table
    rules = {
        name: rule
        for name, rule in task.columns.items()
        if done.get((table.label, name)) != fingerprint(rule)
    }
    changed = {name: rule for name, rule in rules.items() if not isinstance(rule, Keep)}
    if changed:
        set_limits(cursor)
        state.use_salt(cursor)
        if _can_be_rewritten(cursor, table, list(changed)):
            cursor.execute(_rewrite(table, changed))
        else:
            _update(cursor, table, changed)
            state.mark_uncompacted(cursor, table)
        # The statistics contain old values, and can be read by all who may read the column.
        cursor.execute(SQL("ANALYZE {}").format(table.sql))
    state.mark_done(cursor, table, {name: fingerprint(rule) for name, rule in rules.items()})
    return bool(changed)


def _can_be_rewritten(cursor: Cursor, table: Table, names: list[str]) -> bool:
    columns = [table.columns[name] for name in names]
    if table.related or any(column.stored_apart for column in columns):
        return False
    numbers = [column.number for column in columns]
    cursor.execute(_BLOCKERS, {"table": table.oid, "columns": numbers})
    return cursor.fetchone() == (False,)


def _rewrite(table: Table, rules: Mapping[str, ColumnRule]) -> Composable:
    changes = (
        SQL("ALTER COLUMN {name} TYPE {type}{collation} USING {value}").format(
            name=Identifier(name),
            type=SQL(table.columns[name].type),
            collation=SQL(f" COLLATE {where}" if (where := table.columns[name].collation) else ""),
            value=value(table.columns[name], rule),
        )
        for name, rule in rules.items()
    )
    return SQL("ALTER TABLE {} {}").format(table.sql, SQL(", ").join(changes))


def _update(cursor: Cursor, table: Table, rules: Mapping[str, ColumnRule]) -> None:
    changes = (
        SQL("{} = {}").format(Identifier(name), value(table.columns[name], rule))
        for name, rule in rules.items()
    )
    triggers = _enabled_triggers(cursor, table)
    for trigger in triggers:
        cursor.execute(SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(table.sql, trigger))
    cursor.execute(SQL("UPDATE ONLY {} SET {}").format(table.sql, SQL(", ").join(changes)))
    for trigger in triggers:
        cursor.execute(SQL("ALTER TABLE {} ENABLE TRIGGER {}").format(table.sql, trigger))


def _enabled_triggers(cursor: Cursor, table: Table) -> list[Identifier]:
    """Return the triggers that an UPDATE would fire, which could change the values again."""
    cursor.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal AND tgenabled = 'O'",
        (table.oid,),
    )
    return [Identifier(name) for (name,) in cursor.fetchall()]


def as_text(column: Column) -> Composable:
    """Return an expression for a column's value as text."""
    name = Identifier(column.name)
    if column.base == "bytea":
        return SQL("encode({}, 'escape')").format(name)
    return SQL("{}::text").format(name)


def value(column: Column, rule: ColumnRule) -> Composable:
    """Return an expression for a column's new value, of its type.

    NULL stays NULL, except for a constant.
    """
    match rule:
        case Keep():
            return Identifier(column.name)
        case Null():
            made: Composable = NULL
        case Constant(value=constant):
            is_text = isinstance(constant, str) and column.base not in {"json", "jsonb"}
            made = Literal(constant if is_text else json.dumps(constant))
        case Hash():
            made = hashed(column)
        case Fake(kind=kind):
            made = fakes.FAKE_KINDS[kind].make(as_text(column))
    return SQL("({})::{}").format(made, SQL(column.type))


def hashed(column: Column) -> Composable:
    """Return an expression for a keyed hash, as long as the column can store."""
    if column.base == "bytea":
        return fakes.digest(as_text(column))
    return fakes.digits(as_text(column), min(column.length or _HASH_DIGITS, _HASH_DIGITS))
