"""Rules against tables, without a database: each refusal, and its nearest accepted case."""

from __future__ import annotations

from typing import Any

import pytest

from database.scrub.catalogue import Column, ForeignKey, Table
from database.scrub.classification import (
    TableTask,
    classify,
    possible_fakes,
    stores_hash,
    unmatched,
)
from database.scrub.errors import REMEDY, ScrubError
from database.scrub.fakes import FAKE_KINDS
from database.scrub.rules import Rules

KEEP = {"how": "keep", "why": "contains no personal data"}
HASH = {"how": "hash"}
NULL = {"how": "null"}
CONSTANT = {"how": "constant", "value": "x"}
EMPTIED = "nobody needs it there"
HEAD = "the rules don't fit the database, so nothing was scrubbed and connections stay disabled: "


def fake(kind: str) -> dict[str, str]:
    return {"how": "fake", "kind": kind}


def column(name: str = "c", base: str = "text", **more: Any) -> Column:
    defaults: dict[str, Any] = {
        "number": 1,
        "type": base,
        "kind": "b",
        "category": "S",
        "length": None,
        "collation": None,
        "stored_apart": False,
        "required": False,
        "generated": False,
        "unique": False,
    }
    return Column(name=name, base=base, **{**defaults, **more})


def table(name: str = "t", *columns: Column, oid: int = 1, **more: Any) -> Table:
    defaults: dict[str, Any] = {
        "schema": "public",
        "kind": "r",
        "owner": "app",
        "partition": False,
        "related": False,
        "root": oid,
        "size": 0,
    }
    return Table(oid=oid, name=name, columns={c.name: c for c in columns}, **{**defaults, **more})


def rules(**tables: Any) -> Rules:
    return Rules.model_validate({"tables": tables})


def columns(**found: Any) -> dict[str, Any]:
    return {"columns": found}


def refusals(tables: list[Table], by: Rules, *keys: ForeignKey) -> list[str]:
    try:
        classify(tables, keys, by)
    except ScrubError as error:
        return str(error).removeprefix(HEAD).removesuffix(f". {REMEDY}").split("; ")
    return []


def test_each_column_gets_its_own_rule() -> None:
    kept, hashed = table("a", column("x"), column("y")), table("b", column("x"), oid=2)
    by = rules(a=columns(x=KEEP, y=HASH), b={"truncate": EMPTIED})
    assert classify([kept, hashed], [], by) == [
        TableTask(
            kept,
            truncate=False,
            columns={"x": by.tables["a"].columns["x"], "y": by.tables["a"].columns["y"]},
        ),
        TableTask(hashed, truncate=True),
    ]


def test_what_has_no_rows_of_its_own_is_no_task() -> None:
    whole = table("t", column(), kind="p")
    part = table("t_1", column(), oid=2, partition=True, root=1)
    other = table("t_2", column(), oid=3, partition=True, root=1)
    view = table("v", column(), oid=4, kind="m")
    found = classify([whole, part, other, view], [], rules(t=columns(c=HASH)))
    # A part has the rule of the whole.
    assert [(task.table.name, task.truncate, list(task.columns)) for task in found] == [
        ("t_1", False, ["c"]),
        ("t_2", False, ["c"]),
    ]


def test_what_a_column_can_store_is_what_would_not_be_refused() -> None:
    assert list(possible_fakes(column(base="inet"))) == ["ip"]
    assert list(possible_fakes(column(unique=True, length=40))) == [
        "email",
        "username",
        "url",
        "uuid",
    ]
    assert list(possible_fakes(column(base="jsonb"))) == []
    assert stores_hash(column(length=16))
    assert not stores_hash(column(length=15))


def test_a_table_without_columns_and_rule_is_emptied() -> None:
    assert classify([table("t")], [], rules()) == [TableTask(table("t"), truncate=True)]


def test_every_column_that_is_not_classified_is_named() -> None:
    found = refusals(
        [
            table("e", column("x"), oid=1),
            table("t", column("a"), column("b"), column("c"), column("d", generated=True), oid=2),
            table("p", column("x"), oid=3, kind="p"),
            table("p_1", column("x"), oid=4, partition=True, root=3),
            table("u", column("x"), oid=5, schema="audit"),
        ],
        rules(e={"truncate": EMPTIED}, t=columns(b=KEEP)),
    )
    assert found == [
        f"{name} is not classified: add a rule for it"
        for name in ("t.a", "t.c", "p.x", "audit.u.x")
    ]


def test_a_foreign_table_is_refused_and_the_next_is_looked_at() -> None:
    found = refusals([table("f", kind="f"), table("t", column("a"), oid=2)], rules())
    assert found[0] == (
        "f is a foreign table, whose rows are on another server and can't be scrubbed: drop it"
    )
    assert found[1].startswith("t.a is not classified")


def test_every_rule_without_anything_to_do_is_named_and_refuses_nothing() -> None:
    by = rules(
        gone=columns(a=KEEP),
        going={**columns(a=KEEP), "leaving": True},
        t=columns(c=KEEP, misspelled=KEEP, leaving={**KEEP, "leaving": True}),
        lost=columns(a=KEEP),
    )
    left = [
        "table gone has a rule but does not exist",
        "column t.misspelled has a rule but does not exist",
        "table lost has a rule but does not exist",
    ]
    assert unmatched([table("t", column())], by) == left
    assert refusals([table("t", column())], by) == []
    # They are named beside what is refused, since one may be its misspelled name.
    assert refusals([table("t", column(), column("spelled"))], by) == [
        "t.spelled is not classified: add a rule for it",
        *left,
    ]


IMPOSSIBLE: list[tuple[Column, dict[str, Any], str | None]] = [
    (column(generated=True), KEEP, None),
    (column(generated=True), HASH, "is generated from other columns: classify those"),
    (column(required=True), NULL, "is NOT NULL: choose another rule"),
    (column(), NULL, None),
    (
        column(unique=True),
        CONSTANT,
        "is in a unique index, which a constant violates: choose another rule",
    ),
    (column(), CONSTANT, None),
    (column(unique=True, required=True), KEEP, None),
    *((column(base=base), HASH, None) for base in ("text", "varchar", "bpchar", "citext")),
    *((column(base=base), HASH, None) for base in ("name", "bytea")),
    (column(base="int4"), HASH, "has type int4, which can't store a hash: choose another rule"),
    (column(length=16), HASH, None),
    (column(length=15), HASH, "has room for 15 characters, a hash needs 16"),
    (
        column(base="int4"),
        fake("email"),
        "has type int4, which can't store a fake of kind email: choose another",
    ),
    (column(base="timestamptz"), fake("year"), None),
    (column(base="timestamp"), fake("year"), None),
    (column(base="date"), fake("year"), None),
    (
        column(),
        fake("year"),
        "has type text, which can't store a fake of kind year: choose another",
    ),
    (column(base="uuid"), fake("uuid"), None),
    (column(base="citext", unique=True), fake("email"), None),
    (
        column(unique=True),
        fake("person"),
        "is in a unique index, which fakes of kind person violate: choose another",
    ),
    (column(), fake("person"), None),
    (column(length=1), fake("text"), None),
]


@pytest.mark.parametrize(("found", "rule", "problem"), IMPOSSIBLE)
def test_a_rule_that_can_not_be_kept_is_named(
    found: Column, rule: dict[str, Any], problem: str | None
) -> None:
    refused = refusals([table("t", found)], rules(t=columns(c=rule)))
    assert refused == ([] if problem is None else [f"t.c {problem}"])


@pytest.mark.parametrize("kind", ["email", "phone", "first-name"])
def test_a_fake_fits_exactly_into_as_many_characters_as_it_has(kind: str) -> None:
    longest = FAKE_KINDS[kind].longest
    assert longest is not None
    by = rules(t=columns(c=fake(kind)))
    assert refusals([table("t", column(length=longest))], by) == []
    assert refusals([table("t", column(length=longest - 1))], by) == [
        f"t.c has room for {longest - 1} characters, a fake of kind {kind} needs {longest}"
    ]


def test_every_rule_of_every_table_is_looked_at() -> None:
    tables = [
        table("n", column("x")),
        table("a", column("x", required=True), column("y", required=True), oid=2),
        table("b", column("x", required=True), oid=3),
    ]
    by = rules(n=columns(x=KEEP), a=columns(x=NULL, z=NULL, y=NULL), b=columns(x=NULL))
    assert refusals(tables, by) == [
        *(f"{name} is NOT NULL: choose another rule" for name in ("a.x", "a.y", "b.x")),
        "column a.z has a rule but does not exist",
    ]


def key(*pairs: tuple[str, str], child: int = 2, parent: int = 1) -> ForeignKey:
    mine, theirs = zip(*pairs, strict=True)
    return ForeignKey(
        name="t_fk",
        table=child,
        target=parent,
        columns=tuple(mine),
        target_columns=tuple(theirs),
        definition="",
    )


PARENT = table("parent", column("id"), column("other"))
CHILD = table("child", column("parent_id"), column("other_id"), oid=2)


@pytest.mark.parametrize(
    ("parent", "child", "joins"),
    [
        (KEEP, KEEP, True),
        (KEEP, {**KEEP, "why": "for another reason"}, True),
        (HASH, HASH, True),
        (HASH, {**HASH, "leaving": True}, True),
        (KEEP, HASH, False),
        (fake("email"), fake("username"), False),
        (KEEP, NULL, True),
        (NULL, KEEP, False),
    ],
)
def test_both_ends_of_a_foreign_key_need_the_same_rule(
    parent: dict[str, Any], child: dict[str, Any], joins: bool
) -> None:
    by = rules(parent=columns(id=parent, other=KEEP), child=columns(parent_id=child, other_id=KEEP))
    found = refusals([PARENT, CHILD], by, key(("parent_id", "id")))
    refusal = "child.parent_id refers to parent.id (t_fk): give both the same rule"
    assert found == ([] if joins else [refusal])


def test_every_column_of_every_foreign_key_is_looked_at() -> None:
    by = rules(
        parent=columns(id=KEEP, other=HASH),
        child=columns(parent_id=KEEP, other_id=KEEP),
    )
    unknown = key(("x", "y"), child=77)
    elsewhere = key(("x", "y"), parent=78)
    lacking = key(("absent", "id"), ("parent_id", "absent"))
    both = key(("parent_id", "id"), ("other_id", "other"))
    null = rules(
        parent=columns(id=KEEP, other=HASH),
        child=columns(parent_id=NULL, other_id=KEEP),
    )
    expected = ["child.other_id refers to parent.other (t_fk): give both the same rule"]
    assert refusals([PARENT, CHILD], by, unknown, elsewhere, lacking, both) == expected
    # What becomes NULL joins nothing, and the next column is looked at.
    assert refusals([PARENT, CHILD], null, both) == expected


def test_a_key_into_a_table_that_is_emptied_is_refused_unless_it_is_emptied_too() -> None:
    kept = columns(parent_id=KEEP, other_id=KEEP)
    sibling = table("sibling", column("parent_id"), oid=3)
    by = rules(parent={"truncate": EMPTIED}, child=kept, sibling=columns(parent_id=KEEP))
    keys = (key(("parent_id", "id")), key(("parent_id", "id"), child=3))
    assert refusals([PARENT, CHILD, sibling], by, *keys) == [
        "child refers to parent, which is emptied (t_fk): empty both, or none",
        "sibling refers to parent, which is emptied (t_fk): empty both, or none",
    ]
    emptied = rules(
        parent={"truncate": EMPTIED},
        child={"truncate": EMPTIED},
        sibling=columns(parent_id=KEEP),
    )
    # The first has nothing to join, and the second is looked at.
    assert refusals([PARENT, CHILD, sibling], emptied, *keys) == [
        "sibling refers to parent, which is emptied (t_fk): empty both, or none"
    ]


def test_a_part_joins_by_the_rule_of_the_whole() -> None:
    whole = table("child", column("parent_id"), oid=2, kind="p")
    part = table("child_1", column("parent_id"), oid=3, partition=True, root=2)
    by = rules(parent=columns(id=KEEP, other=KEEP), child=columns(parent_id=HASH))
    assert refusals([PARENT, whole, part], by, key(("parent_id", "id"), child=3)) == [
        "child_1.parent_id refers to parent.id (t_fk): give both the same rule"
    ]
