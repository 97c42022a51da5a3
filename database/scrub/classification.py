"""Comparison of rules and database: the tasks of a scrub, or the reasons to refuse it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from database.scrub.errors import REMEDY, ScrubError
from database.scrub.fakes import FAKE_KINDS
from database.scrub.rules import Constant, Fake, Hash, Keep, Null

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from database.scrub.catalogue import Column, ForeignKey, Table
    from database.scrub.rules import ColumnRule, Rules, TableRule

_SHORTEST_HASH = 16
_TEXT_BASES = {"text", "varchar", "bpchar", "citext", "name"}


@dataclass(frozen=True)
class TableTask:
    """The scrub of one table.

    Attributes:
        table: The table.
        truncate: True if it is emptied.
        columns: Rule of each column.
    """

    table: Table
    truncate: bool
    columns: dict[str, ColumnRule] = field(default_factory=dict)


def classify(tables: Sequence[Table], keys: Sequence[ForeignKey], rules: Rules) -> list[TableTask]:
    """Find the rule of each table and column.

    Args:
        tables: Tables of the database.
        keys: Foreign keys of the database.
        rules: The rules.

    Raises:
        ScrubError: A column has no rule, or one that can't be applied. Names each of them.
    """
    wrong = [
        *_unclassified(tables, rules),
        *_impossible(tables, rules),
        *_split_keys(tables, keys, rules),
    ]
    if wrong:
        # One of them may be the misspelled name of a column that has no rule.
        wrong += unmatched(tables, rules)
        msg = (
            "the rules don't fit the database, so nothing was scrubbed and connections stay"
            f" disabled: {'; '.join(wrong)}. {REMEDY}"
        )
        raise ScrubError(msg)
    return [_task(table, _rule(table, tables, rules)) for table in tables if _has_rows(table)]


def _has_rows(table: Table) -> bool:
    """Return whether the table itself stores rows: partitions do so for a partitioned table."""
    return table.kind == "r"


def _task(table: Table, rule: TableRule | None) -> TableTask:
    if rule is None or rule.truncate is not None:
        return TableTask(table, truncate=True)
    return TableTask(
        table,
        truncate=False,
        columns={name: rule.columns[name] for name in _own_columns(table)},
    )


def _rule(table: Table, tables: Sequence[Table], rules: Rules) -> TableRule | None:
    """Return the rule of a table; a partition has the rule of the whole."""
    (root,) = (each for each in tables if each.oid == table.root)
    return rules.tables.get(root.label)


def _own_columns(table: Table) -> Iterator[str]:
    """Return the columns that are not generated from others."""
    return (column.name for column in table.columns.values() if not column.generated)


def _unclassified(tables: Sequence[Table], rules: Rules) -> Iterator[str]:
    for table in tables:
        if table.kind == "f":
            yield (
                f"{table.label} is a foreign table, whose rows are on another server and can't be"
                " scrubbed: drop it"
            )
        elif table.kind in {"r", "p"} and not table.partition:
            rule = rules.tables.get(table.label)
            if rule is not None and rule.truncate is not None:
                continue
            classified = {} if rule is None else rule.columns
            for name in _own_columns(table):
                if name not in classified:
                    yield f"{table.label}.{name} is not classified: add a rule for it"


def unmatched(tables: Sequence[Table], rules: Rules) -> list[str]:
    """Return the rules whose table or column does not exist.

    They do no harm: whatever exists needs a rule of its own. A later migration may add the column,
    or an earlier one have dropped it.
    """
    by_label = {table.label: table for table in tables}
    found = []
    for label, rule in rules.tables.items():
        if label not in by_label:
            if not rule.leaving:
                found.append(f"table {label} has a rule but does not exist")
            continue
        found += [
            f"column {label}.{name} has a rule but does not exist"
            for name, column in rule.columns.items()
            if name not in by_label[label].columns and not column.leaving
        ]
    return found


def _impossible(tables: Sequence[Table], rules: Rules) -> Iterator[str]:
    for table in tables:
        rule = rules.tables.get(table.label)
        if rule is None:
            continue
        for name, column_rule in rule.columns.items():
            column = table.columns.get(name)
            problem = "" if column is None else _problem(column, column_rule)
            if problem:
                yield f"{table.label}.{name} {problem}"


def _problem(column: Column, rule: ColumnRule) -> str:
    """Return why a rule can't be applied to a column; empty if it can."""
    if column.generated and not isinstance(rule, Keep):
        return "is generated from other columns: classify those"
    match rule:
        case Keep():
            return ""
        case Null():
            return "is NOT NULL: choose another rule" if column.required else ""
        case Constant():
            return (
                "is in a unique index, which a constant violates: choose another rule"
                if column.unique
                else ""
            )
        case Hash():
            return _hash_problem(column)
        case Fake():
            return _fake_problem(column, rule)


def possible_fakes(column: Column) -> Iterator[str]:
    """Return the kinds of fakes that a column can store."""
    return (kind for kind in FAKE_KINDS if not _fake_problem(column, Fake(how="fake", kind=kind)))


def stores_hash(column: Column) -> bool:
    """Return whether a column can store a hash."""
    return not _hash_problem(column)


def _hash_problem(column: Column) -> str:
    if column.base not in _TEXT_BASES and column.base != "bytea":
        return f"has type {column.type}, which can't store a hash: choose another rule"
    if column.length is not None and column.length < _SHORTEST_HASH:
        return f"has room for {column.length} characters, a hash needs {_SHORTEST_HASH}"
    return ""


def _fake_problem(column: Column, rule: Fake) -> str:
    kind = FAKE_KINDS[rule.kind]
    base = "text" if column.base in _TEXT_BASES else column.base.removesuffix("tz")
    if base not in kind.types:
        return (
            f"has type {column.type}, which can't store a fake of kind {rule.kind}: choose another"
        )
    if base == "text" and column.length is not None and (kind.longest or 0) > column.length:
        return (
            f"has room for {column.length} characters, a fake of kind {rule.kind} needs"
            f" {kind.longest}"
        )
    if column.unique and not kind.distinct:
        return f"is in a unique index, which fakes of kind {rule.kind} violate: choose another"
    return ""


def _split_keys(tables: Sequence[Table], keys: Sequence[ForeignKey], rules: Rules) -> Iterator[str]:
    """Yield foreign keys that would no longer match, since their ends have different rules."""
    by_oid = {table.oid: table for table in tables}
    for key in keys:
        if key.table not in by_oid or key.target not in by_oid:
            continue
        child, parent = by_oid[key.table], by_oid[key.target]
        here, there = _rule(child, tables, rules), _rule(parent, tables, rules)
        if here is None or there is None or here.truncate is not None:
            continue
        if there.truncate is not None:
            yield (
                f"{child.label} refers to {parent.label}, which is emptied ({key.name}): empty"
                " both, or none"
            )
            continue
        for mine, theirs in zip(key.columns, key.target_columns, strict=True):
            rule, other = here.columns.get(mine), there.columns.get(theirs)
            if rule is None or other is None or isinstance(rule, Null):
                continue
            if _effect(rule) != _effect(other):
                yield (
                    f"{child.label}.{mine} refers to {parent.label}.{theirs} ({key.name}):"
                    " give both the same rule"
                )


def _effect(rule: ColumnRule) -> dict[str, object]:
    return rule.model_dump(exclude={"why", "leaving"})
