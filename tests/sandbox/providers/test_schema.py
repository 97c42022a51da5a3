from __future__ import annotations

from typing import Any

import pytest

from sandbox.providers.schema import (
    Equality,
    Input,
    Schema,
    Type,
    canonical,
    decode_config,
    problems,
    replacing_paths,
)
from sandbox.providers.values import UNKNOWN, Asset, Secret

_SCHEMA: Schema = {
    "name": Input(required=True, replace=True),
    "size": Input(Type.NUMBER),
    "public": Input(Type.BOOLEAN),
    "mode": Input(allowed=("A", "B")),
    "subnets": Input(Type.LIST, equality=Equality.UNORDERED),
    "policy": Input(equality=Equality.JSON),
    "code": Input(Type.ASSET),
    "rules": Input(
        Type.LIST, fields={"port": Input(Type.NUMBER, required=True), "note": Input(replace=True)}
    ),
    "scan": Input(Type.MAP, fields={"onPush": Input(Type.BOOLEAN)}),
    "tags": Input(Type.MAP),
}


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
        "code": Asset(archive=False, fields={}),
        "rules": [{"port": 1}],
        "scan": {"onPush": True},
        "tags": {"any": "thing"},
    }
    assert problems(_SCHEMA, inputs) == []


def test_an_unknown_input_is_named_with_those_that_are_known() -> None:
    [problem] = problems(_SCHEMA, {"name": "a", "sise": 1})
    assert problem.property == "sise"
    assert "'sise' is not known to this stand-in" in problem.reason
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


def test_what_is_not_known_yet_is_no_problem() -> None:
    assert _found({"name": UNKNOWN, "size": Secret(UNKNOWN), "rules": [UNKNOWN]}) == []


def test_a_secret_value_is_in_no_message() -> None:
    [problem] = problems(_SCHEMA, {"name": Secret(["hunter2"])})
    assert "hunter2" not in problem.reason
    assert "a list" in problem.reason


def test_replacing_paths_reach_into_lists() -> None:
    assert replacing_paths(_SCHEMA) == [("name",), ("rules", "*", "note")]


def test_equal_values_have_one_canonical_form() -> None:
    one = {"subnets": ["b", "a"], "policy": '{"a": 1, "b": 2}', "other": [2, 1]}
    two = {"subnets": ["a", "b"], "policy": '{"b":2,"a":1}', "other": [2, 1]}
    assert canonical(_SCHEMA, one) == canonical(_SCHEMA, two)
    assert canonical(_SCHEMA, {"policy": "no JSON"}) == {"policy": "no JSON"}


def test_settings_are_unwrapped_from_their_json() -> None:
    settings = {"public": "true", "name": "true", "tags": Secret('{"a": "b"}')}
    assert decode_config(_SCHEMA, settings) == {
        "public": True,
        "name": "true",
        "tags": Secret({"a": "b"}),
    }


def test_a_setting_that_is_no_json_is_named() -> None:
    with pytest.raises(ValueError, match="public must be a boolean"):
        decode_config(_SCHEMA, {"public": "yes"})
