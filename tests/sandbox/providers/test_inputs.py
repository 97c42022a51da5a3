from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.providers.inputs import (
    Change,
    Diff,
    Equality,
    Input,
    Problem,
    Schema,
    Type,
    compare,
    problems,
)
from sandbox.providers.values import UNKNOWN

_SCHEMA: Schema = {
    "name": Input(required=True, replace=True),
    "size": Input(Type.NUMBER),
    "public": Input(Type.BOOLEAN),
    "mode": Input(allowed=("A", "B")),
    "subnets": Input(Type.LIST, equality=Equality.UNORDERED),
    "policy": Input(equality=Equality.JSON),
    "rules": Input(Type.LIST, fields={"port": Input(Type.NUMBER, required=True), "note": Input()}),
    "scan": Input(Type.MAP, fields={"onPush": Input(Type.BOOLEAN)}),
    "tags": Input(Type.MAP),
}
_TEXT = st.text("ab0 é", max_size=3)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=10,
)
_INPUTS = st.dictionaries(st.sampled_from([*_SCHEMA, "other"]), _JSON)


def _found(inputs: dict[str, Any]) -> list[str]:
    return [it.property for it in problems(_SCHEMA, inputs)]


def test_good_inputs_are_taken() -> None:
    inputs = {
        "name": "a",
        "size": 1,
        "public": False,
        "mode": "B",
        "subnets": ["a"],
        "policy": "{}",
        "rules": [{"port": 1}],
        "scan": {"onPush": True},
        "tags": {"any": "thing"},
    }
    assert problems(_SCHEMA, inputs) == []


def test_an_unknown_input_is_named_with_those_that_are_known() -> None:
    [problem] = problems(_SCHEMA, {"name": "a", "sise": 1})
    assert problem.property == "sise"
    assert "this emulator does not support 'sise'" in problem.reason
    assert "size" in problem.reason


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": 1}, ["name"]),
        ({"name": "a", "size": True}, ["size"]),
        ({"name": "a", "mode": "C"}, ["mode"]),
        ({"name": "a", "rules": [{"port": 1}, {"prt": 1}]}, ["rules[1].port", "rules[1].prt"]),
        ({"name": "a", "rules": ["x"]}, ["rules[0]"]),
        ({"name": "a", "scan": {"onPush": "yes"}}, ["scan.onPush"]),
        ({"name": "a", "scan": {"deep": True}}, ["scan.deep"]),
    ],
)
def test_each_problem_is_named_by_its_path(inputs: dict[str, Any], expected: list[str]) -> None:
    assert _found(inputs) == expected


def test_each_problem_says_what_is_expected() -> None:
    assert problems(_SCHEMA, {"size": "1", "mode": "C", "tags": (), "rules": [{}, 1]}) == [
        Problem("mode", "this emulator does not support 'C', only 'A', 'B'"),
        Problem("name", "is required and must be a string"),
        Problem("rules[0].port", "is required and must be a number"),
        Problem("rules[1]", "must be an object, not a number"),
        Problem("size", "must be a number, not a string"),
        Problem("tags", "must be an object, not a tuple"),
    ]
    [problem] = problems({"b": Input(), "a": Input()}, {"c": 1})
    assert problem.reason == "this emulator does not support 'c'; it supports a, b"


@pytest.mark.parametrize("number", [0, 1, 0.5])
def test_a_number_may_be_whole_or_not(number: float) -> None:
    assert _found({"name": "a", "size": number}) == []


def test_what_is_not_known_yet_is_no_problem() -> None:
    assert _found({"name": UNKNOWN, "size": UNKNOWN, "rules": [UNKNOWN]}) == []


def test_a_value_that_may_be_secret_is_in_no_message() -> None:
    [problem] = problems(_SCHEMA, {"name": ["hunter2"]})
    assert "hunter2" not in problem.reason
    assert "a list" in problem.reason


@given(_INPUTS)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert compare(_SCHEMA, value, value).changes == {}


@given(_INPUTS, _INPUTS)
def test_what_was_added_one_way_was_deleted_the_other(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    opposite = {Change.ADD: Change.DELETE, Change.DELETE: Change.ADD, Change.UPDATE: Change.UPDATE}
    forth = compare(_SCHEMA, old, new).changes
    back = {key: opposite[it] for key, it in compare(_SCHEMA, new, old).changes.items()}
    assert forth == back


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"size": 1}, {"size": 2}, {"size": Change.UPDATE}),
        ({}, {"tags": {"b": 1}}, {"tags": Change.ADD}),
        ({"tags": {"b": 1}}, {"tags": {}}, {"tags": Change.UPDATE}),
        ({"tags": {"b": None}}, {"tags": {}}, {}),
        ({"rules": [1, 2]}, {"rules": [1]}, {"rules": Change.UPDATE}),
        ({"rules": [1, 2]}, {"rules": [2, 1]}, {"rules": Change.UPDATE}),
        ({"size": None}, {}, {}),
        ({"size": 1}, {}, {"size": Change.DELETE}),
        ({"size": 1}, {"size": True}, {"size": Change.UPDATE}),
        ({"name": "1"}, {"name": 1}, {"name": Change.UPDATE}),
        ({"name": "x"}, {"name": UNKNOWN}, {"name": Change.UPDATE}),
        ({"tags": {"a": UNKNOWN}}, {"tags": {"a": UNKNOWN}}, {"tags": Change.UPDATE}),
        ({"subnets": ["b", "a"]}, {"subnets": ["a", "b"]}, {}),
        ({"subnets": ["b", "a"]}, {"subnets": ["a", "a"]}, {"subnets": Change.UPDATE}),
        ({"policy": '{"a": 1, "b": 2}'}, {"policy": '{"b":2,"a":1}'}, {}),
        # The order counts inside of the items, and in a list that is none of those.
        ({"subnets": [["b", "a"]]}, {"subnets": [["a", "b"]]}, {"subnets": Change.UPDATE}),
        ({"name": '{"a": 1}'}, {"name": '{"a":1}'}, {"name": Change.UPDATE}),
        ({"policy": '["b", "a"]'}, {"policy": '["a", "b"]'}, {"policy": Change.UPDATE}),
        ({"policy": ["a"]}, {"policy": '["b"]'}, {"policy": Change.UPDATE}),
        ({"name": UNKNOWN}, {"name": "x"}, {"name": Change.UPDATE}),
        ({"tags": {"a": [{"b": None}, 1]}}, {"tags": {"a": [{}, 1]}}, {}),
        ({"policy": "no JSON"}, {"policy": "no  JSON"}, {"policy": Change.UPDATE}),
    ],
)
def test_each_difference_has_its_kind(
    old: dict[str, Any], new: dict[str, Any], expected: dict[str, Change]
) -> None:
    assert compare(_SCHEMA, old, new).changes == expected


def test_only_some_changes_replace() -> None:
    both = compare(_SCHEMA, {"name": "a", "mode": "A", "other": 1}, {"name": "b", "mode": "B"})
    assert both.changes.keys() == {"mode", "name", "other"}
    assert (both.replacing, both.replaces) == ({"name"}, True)
    assert (Diff().changes, Diff().replaces, Diff().delete_before_replace) == ({}, False, False)
    assert compare(_SCHEMA, {"name": "a", "size": 1}, {"name": "b"}).replacing == {"name"}
    assert not compare(_SCHEMA, {"name": "a", "size": 1}, {"name": "a"}).replaces
