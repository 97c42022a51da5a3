"""Rules and database held against each other: what is to be done, or why nothing can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from database.scrub import fakes
from database.scrub.errors import ScrubError
from database.scrub.rules import Constant, Fake, Hash, Keep, Null

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from database.scrub.catalogue import Column, ForeignKey, Table
    from database.scrub.rules import ColumnRule, Rules, TableRule

_SHORTEST_HASH = 16
_TEXT_BASES = {"text", "varchar", "bpchar", "citext", "name"}


@dataclass(frozen=True)
class Work:
    """What is done to one table.

    Attributes:
        table: The table.
        truncate: Whether it is emptied.
        columns: The rule of each column.
    """

    table: Table
    truncate: bool
    columns: dict[str, ColumnRule] = field(default_factory=dict)


def classify(
    tables: Sequence[Table], keys: Sequence[ForeignKey], rules: Rules, *, exact: bool
) -> list[Work]:
    """Find each table's and each column's rule.

    Args:
        tables: What the database holds.
        keys: Its foreign keys.
        rules: What becomes of it.
        exact: Whether the database is at the version that the rules describe. Before it, a
            snapshot lacks what a later migration adds, so a rule may have nothing to do.

    Raises:
        ScrubError: Something is not classified, or its rule can't be kept. Names each.
    """
    wrong = [
        *_unclassified(tables, rules),
        *_impossible(tables, rules),
        *(_missing(tables, rules) if exact else ()),
        *_parted(tables, keys, rules),
    ]
    if wrong:
        msg = f"nothing was scrubbed, and nobody may connect: {'; '.join(wrong)}"
        raise ScrubError(msg)
    return [_work(table, _rule(table, tables, rules)) for table in tables if _has_rows(table)]


def _has_rows(table: Table) -> bool:
    """Partitioned tables have theirs in their parts, materialized views are made anew."""
    return table.kind == "r"


def _work(table: Table, rule: TableRule | None) -> Work:
    if rule is None or rule.truncate is not None:
        return Work(table, truncate=True)
    return Work(
        table,
        truncate=False,
        columns={name: rule.columns[name] for name in _own_columns(table)},
    )


def _rule(table: Table, tables: Sequence[Table], rules: Rules) -> TableRule | None:
    """A part of a table has the rule of the whole."""
    (root,) = (each for each in tables if each.oid == table.root)
    return rules.tables.get(root.label)


def _own_columns(table: Table) -> Iterator[str]:
    """Columns that hold something of their own."""
    return (column.name for column in table.columns.values() if not column.generated)


def _unclassified(tables: Sequence[Table], rules: Rules) -> Iterator[str]:
    for table in tables:
        if table.kind == "f":
            yield f"{table.label} is a foreign table, whose rows are elsewhere: drop it"
        elif table.kind in {"r", "p"} and not table.partition:
            rule = rules.tables.get(table.label)
            if rule is not None and rule.truncate is not None:
                continue
            known = {} if rule is None else rule.columns
            for name in _own_columns(table):
                if name not in known:
                    yield (
                        f"{table.label}.{name} is not classified: say in database/scrub.yaml on"
                        " the main branch what becomes of it"
                    )


def _missing(tables: Sequence[Table], rules: Rules) -> Iterator[str]:
    """Rules without anything to do: at best left over, at worst misspelled."""
    by_label = {table.label: table for table in tables}
    advice = "correct its name in database/scrub.yaml, remove it, or mark it `leaving: true`"
    for label, rule in rules.tables.items():
        if label not in by_label:
            if not rule.leaving:
                yield f"{label} has a rule and is no table here: {advice}"
            continue
        for name, column in rule.columns.items():
            if name not in by_label[label].columns and not column.leaving:
                yield f"{label}.{name} has a rule and is no column here: {advice}"


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
    """Why a rule can't be kept in a column; empty where it can."""
    if column.generated and not isinstance(rule, Keep):
        return "is computed from other columns: classify those"
    match rule:
        case Keep():
            return ""
        case Null():
            return "refuses NULL: choose another rule" if column.required else ""
        case Constant():
            return "is in a unique index: choose another rule" if column.unique else ""
        case Hash():
            return _hash_problem(column)
        case Fake():
            return _fake_problem(column, rule)


def _hash_problem(column: Column) -> str:
    if column.base not in _TEXT_BASES and column.base != "bytea":
        return f"is {column.type}, which holds no hash: choose another rule"
    if column.length is not None and column.length < _SHORTEST_HASH:
        return f"has room for {column.length} characters, a hash needs {_SHORTEST_HASH}"
    return ""


def _fake_problem(column: Column, rule: Fake) -> str:
    form = fakes.form(rule.kind)
    base = "text" if column.base in _TEXT_BASES else column.base.removesuffix("tz")
    if base not in form.types:
        return f"is {column.type}, which holds no fake of kind {rule.kind}"
    if base == "text" and column.length is not None and (form.longest or 0) > column.length:
        return (
            f"has room for {column.length} characters, a fake of kind {rule.kind} needs"
            f" {form.longest}"
        )
    if column.unique and not form.distinct:
        return f"is in a unique index, and fakes of kind {rule.kind} repeat: choose another"
    return ""


def _parted(tables: Sequence[Table], keys: Sequence[ForeignKey], rules: Rules) -> Iterator[str]:
    """Foreign keys that would no longer join, since their two ends have different rules."""
    by_oid = {table.oid: table for table in tables}
    for key in keys:
        if key.table not in by_oid or key.target not in by_oid:
            continue
        child, parent = by_oid[key.table], by_oid[key.target]
        here, there = _rule(child, tables, rules), _rule(parent, tables, rules)
        if here is None or there is None or here.truncate is not None:
            continue
        if there.truncate is not None:
            yield f"{child.label} refers to {parent.label}, which is emptied ({key.name})"
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
