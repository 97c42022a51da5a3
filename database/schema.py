"""Prints the schema of a database as JSON: ``python -m database.schema``.

It is read as the scrub reads it, so a draft of the scrub's rules that is made of it has every
column that the scrub will ask for. The login is in ``DATABASE_*``; that of the role that owns the
schema is enough. No row is read.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2

from contract.schema import (
    ColumnSchema,
    DatabaseSchema,
    ForeignKeySchema,
    TableKind,
    TableSchema,
    TypeKind,
)
from database.access.schemas import STATE_SCHEMA
from database.connection import connect
from database.output import report_environment, report_failure
from database.scrub import catalogue
from database.scrub.classification import possible_fakes, stores_hash
from database.settings import ConfigurationError, DatabaseLogin, load

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import Column, Table

_TABLE_KINDS: dict[str, TableKind] = {
    "r": "table",
    "p": "partitioned table",
    "f": "foreign table",
    "m": "materialized view",
}
_TYPE_KINDS: dict[str, TypeKind] = {
    "c": "composite",
    "e": "enum",
    "m": "range",
    "r": "range",
}
_KEYS = """
SELECT i.indrelid, a.attname
FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisprimary AND i.indrelid = ANY (%(relations)s::oid[])
"""
_CHECKS = """
SELECT a.attrelid, a.attname, pg_get_constraintdef(c.oid)
FROM pg_attribute AS a
JOIN pg_constraint AS c
  ON c.contype = 'c'
 AND (c.contypid = a.atttypid OR c.conrelid = a.attrelid AND a.attnum = ANY (c.conkey))
WHERE a.attrelid = ANY (%(relations)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum, c.conname
"""
_OF_EXTENSIONS = """
SELECT n.nspname, c.relname, e.extname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
WHERE c.relkind IN ('r', 'p', 'f', 'm') AND n.nspname <> %(state)s
ORDER BY n.nspname, c.relname
"""


def read_schema(cursor: Cursor) -> DatabaseSchema:
    """Return the schema of a database."""
    tables = {table.oid: table for table in catalogue.read(cursor)}
    relations = {"relations": list(tables)}
    cursor.execute(_KEYS, relations)
    primary = set(cursor.fetchall())
    cursor.execute(_CHECKS, relations)
    checks: dict[tuple[int, str], list[str]] = {}
    for table, column, definition in cursor.fetchall():
        checks.setdefault((table, column), []).append(definition)

    def column_of(table: Table, column: Column) -> ColumnSchema:
        place = (table.oid, column.name)
        return ColumnSchema(
            name=column.name,
            type=column.type,
            base=column.base,
            kind="array" if column.category == "A" else _TYPE_KINDS.get(column.kind, "base"),
            required=column.required,
            generated=column.generated,
            primary=place in primary,
            unique=column.unique,
            checks=tuple(checks.get(place, ())),
            fakes=() if column.generated else tuple(possible_fakes(column)),
            hashable=not column.generated and stores_hash(column),
        )

    def label(oid: int) -> str:
        """Return the label of a table, or of the whole that it is a part of."""
        return tables[tables[oid].root].label

    keys = (
        ForeignKeySchema(
            table=label(key.table),
            columns=key.columns,
            target=label(key.target),
            target_columns=key.target_columns,
        )
        for key in catalogue.foreign_keys(cursor)
        if {key.table, key.target} <= tables.keys()
    )
    cursor.execute(_OF_EXTENSIONS, {"state": STATE_SCHEMA})
    return DatabaseSchema(
        tables=tuple(
            TableSchema(
                label=table.label,
                kind=_TABLE_KINDS[table.kind],
                partition_of=label(table.oid) if table.partition else None,
                columns=tuple(column_of(table, column) for column in table.columns.values()),
            )
            for table in sorted(tables.values(), key=lambda one: one.label)
        ),
        foreign_keys=tuple(sorted(set(keys), key=lambda key: (key.table, key.columns, key.target))),
        extension_tables={
            name if schema == "public" else f"{schema}.{name}": extension
            for schema, name, extension in cursor.fetchall()
        },
    )


def main() -> int:
    """Print the schema.

    Returns:
        Exit code: 0 on success, 1 if it can't be read, 2 for an invalid environment.
    """
    try:
        with closing(connect(load(DatabaseLogin), application="database-schema")) as database:
            database.set_session(readonly=True)
            with database, database.cursor() as cursor:
                schema = read_schema(cursor)
    except ConfigurationError as error:
        report_environment(error)
        return 2
    except psycopg2.Error as error:
        report_failure(f"schema: {error}")
        return 1
    sys.stdout.write(schema.model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
