"""Tables, columns and foreign keys of a database, read from PostgreSQL's catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Composable, Identifier

from database.access.schemas import STATE_SCHEMA

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

# Left out: system tables, those of extensions, and the state of the scrub.
_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relispartition,
       EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid),
       coalesce(pg_partition_root(c.oid)::oid, c.oid), pg_table_size(c.oid)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'm')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', %(state)s)
  AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (
      SELECT FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
ORDER BY pg_table_size(c.oid) DESC, c.oid
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),
       b.typname, b.typtype, b.typcategory,
       CASE WHEN b.typname IN ('varchar', 'bpchar') AND b.modifier > 4 THEN b.modifier - 4 END,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
       a.attstorage <> t.typstorage OR a.attcompression <> '',
       a.attnotnull OR b.required, a.attgenerated <> '',
       EXISTS (SELECT FROM pg_index AS i
               WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey))
FROM pg_attribute AS a
JOIN pg_type AS t ON t.oid = a.atttypid
-- A domain may be based on another one, and each may limit the length or refuse NULL.
CROSS JOIN LATERAL (
    WITH RECURSIVE chain (type, modifier, required) AS (
        SELECT a.atttypid, a.atttypmod, false
        UNION ALL
        SELECT d.typbasetype, d.typtypmod, chain.required OR d.typnotnull
        FROM chain JOIN pg_type AS d ON d.oid = chain.type AND d.typtype = 'd')
    SELECT typname, typtype, typcategory, modifier, required
    FROM chain JOIN pg_type ON oid = type WHERE typtype <> 'd'
) AS b
WHERE a.attrelid = ANY (%(relations)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name.
        number: ``attnum``.
        type: Its type in SQL.
        base: Name of its type; for a domain, of the type that it is based on.
        kind: ``typtype`` of that: b for base types, e for enums, c for composites, and so on.
        category: ``typcategory``: S for text, A for arrays, and so on.
        length: Maximal number of characters; None if unlimited.
        collation: Its collation, quoted; None if it is the type's default.
        stored_apart: True if it has a storage or compression setting of its own.
        required: True if it is NOT NULL.
        generated: True if it is computed from other columns.
        unique: True if it is part of a unique index.
    """

    name: str
    number: int
    type: str
    base: str
    kind: str
    category: str
    length: int | None
    collation: str | None
    stored_apart: bool
    required: bool
    generated: bool
    unique: bool


@dataclass(frozen=True)
class Table:
    """A table, or another relation with rows.

    Attributes:
        oid: Its OID.
        schema: Its schema.
        name: Its name in the schema.
        kind: ``r`` a table, ``p`` a partitioned one, ``f`` a foreign one, ``m`` a
            materialized view.
        owner: The role that owns it.
        partition: True if it is a partition, to which the rule of the whole applies.
        related: True if it inherits, or is inherited from.
        root: OID of the topmost table that it is a partition of; else its own.
        size: Size in bytes.
        columns: Its columns, by name.
    """

    oid: int
    schema: str
    name: str
    kind: str
    owner: str
    partition: bool
    related: bool
    root: int
    size: int
    columns: dict[str, Column] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name in the rules."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def sql(self) -> Composable:
        """Its name in SQL."""
        return SQL("{}.{}").format(Identifier(self.schema), Identifier(self.name))


def read(cursor: Cursor) -> list[Table]:
    """Return all relations with rows, the largest first."""
    cursor.execute(_RELATIONS, {"state": STATE_SCHEMA})
    tables = {row[0]: Table(*row) for row in cursor.fetchall()}
    cursor.execute(_COLUMNS, {"relations": list(tables)})
    for relation, *column in cursor.fetchall():
        found = Column(*column)
        tables[relation].columns[found.name] = found
    return list(tables.values())


def large_objects(cursor: Cursor) -> int:
    """Return the number of large objects, none of which belongs to a column."""
    cursor.execute("SELECT count(*) FROM pg_largeobject_metadata")
    row = cursor.fetchone()
    return 0 if row is None else int(row[0])


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of one column or more.

    Attributes:
        name: Name of the constraint.
        table: OID of the referencing table.
        columns: Referencing columns.
        target: OID of the referenced table.
        target_columns: Referenced columns.
        definition: SQL that recreates it.
    """

    name: str
    table: int
    columns: tuple[str, ...]
    target: int
    target_columns: tuple[str, ...]
    definition: str


_FOREIGN_KEYS = """
SELECT conname, conrelid, array(
           SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute ON attrelid = conrelid AND attnum = k.number ORDER BY place),
       confrelid, array(
           SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute ON attrelid = confrelid AND attnum = k.number ORDER BY place),
       pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY conrelid, conname
"""


def foreign_keys(cursor: Cursor) -> list[ForeignKey]:
    """Return all foreign keys."""
    cursor.execute(_FOREIGN_KEYS)
    return [
        ForeignKey(name, table, tuple(columns), target, tuple(target_columns), definition)
        for name, table, columns, target, target_columns, definition in cursor.fetchall()
    ]
