"""The schema of a migrated database, as the data room prints it and others read it.

``python -m database.schema`` writes it as one JSON document. It has names and types alone, and no
value of any row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterator

TypeKind = Literal["base", "enum", "array", "composite", "range"]
"""The making of a type; of a domain, that of the type that it is based on."""

TableKind = Literal["table", "partitioned table", "foreign table", "materialized view"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSchema(_Model):
    """A column.

    Attributes:
        name: Its name.
        type: Its type in SQL, such as ``character varying(200)`` or ``people.mood``.
        base: Name of its type; of a domain, of the type that it is based on.
        kind: The making of that type.
        required: True if it is NOT NULL.
        generated: True if it is computed from other columns.
        primary: True if it is part of the primary key.
        unique: True if it is part of a unique index.
        checks: Constraints that limit its values, in SQL.
        fakes: Kinds of fakes that the scrub accepts for it.
        hashable: True if the scrub accepts a hash for it.
    """

    name: str
    type: str
    base: str
    kind: TypeKind
    required: bool
    generated: bool
    primary: bool
    unique: bool
    checks: tuple[str, ...] = ()
    fakes: tuple[str, ...] = ()
    hashable: bool = False


class TableSchema(_Model):
    """A relation with rows.

    Attributes:
        label: Its name in the rules of the scrub: with its schema in front, unless that is
            ``public``.
        kind: The kind of relation.
        partition_of: Label of the topmost table that it is a partition of; None for all others.
        columns: Its columns, in their order.
    """

    label: str
    kind: TableKind
    partition_of: str | None = None
    columns: tuple[ColumnSchema, ...] = ()


class ForeignKeySchema(_Model):
    """A foreign key, by labels of tables and names of columns."""

    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


class DatabaseSchema(_Model):
    """All relations of a database that have rows.

    Attributes:
        version: Version of this document.
        tables: The app's, by their labels.
        foreign_keys: Foreign keys between them.
        extension_tables: Tables of extensions, which no rule is for: label to extension.
    """

    version: Literal[1] = 1
    tables: tuple[TableSchema, ...] = ()
    foreign_keys: tuple[ForeignKeySchema, ...] = ()
    extension_tables: dict[str, str] = {}

    def columns_to_classify(self) -> Iterator[tuple[TableSchema, ColumnSchema]]:
        """Yield each column that the scrub needs a rule for, with its table.

        Partitions have the rules of the whole, generated columns change with those that they are
        made of, and a materialized view is made again.
        """
        for table in self.tables:
            if table.kind in {"table", "partitioned table"} and table.partition_of is None:
                for column in table.columns:
                    if not column.generated:
                        yield table, column
