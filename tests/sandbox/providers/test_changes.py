from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.providers.changes import Change, Diff, Kind, Path, compare, format_path
from sandbox.providers.values import UNKNOWN, Asset, Secret

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), _JSON))
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert compare(value, value) == ()


@given(st.dictionaries(st.text(max_size=3), _JSON), st.dictionaries(st.text(max_size=3), _JSON))
def test_what_was_added_one_way_was_deleted_the_other(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    opposite = {Kind.ADD: Kind.DELETE, Kind.DELETE: Kind.ADD, Kind.UPDATE: Kind.UPDATE}
    forth = {(it.path, it.kind) for it in compare(old, new)}
    back = {(it.path, opposite[it.kind]) for it in compare(new, old)}
    assert forth == back


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 2}, [(("a",), Kind.UPDATE)]),
        ({}, {"a": {"b": 1}}, [(("a",), Kind.ADD)]),
        ({"a": {"b": 1}}, {"a": {}}, [(("a", "b"), Kind.DELETE)]),
        ({"a": [1, 2]}, {"a": [1]}, [(("a", 1), Kind.DELETE)]),
        ({"a": None}, {}, []),
        ({"a": 1}, {"a": True}, [(("a",), Kind.UPDATE)]),
        ({"a": "1"}, {"a": 1}, [(("a",), Kind.UPDATE)]),
        ({"a": "x"}, {"a": UNKNOWN}, [(("a",), Kind.UPDATE)]),
        ({"a": Secret("x")}, {"a": "x"}, []),
        ({"a": {"b": 1}}, {"a": [1]}, [(("a",), Kind.UPDATE)]),
    ],
)
def test_each_difference_has_its_path(
    old: dict[str, Any], new: dict[str, Any], expected: list[tuple[Path, Kind]]
) -> None:
    assert [(it.path, it.kind) for it in compare(old, new)] == expected


def test_assets_are_told_apart_by_their_hash() -> None:
    whole = Asset(archive=False, fields={"hash": "1", "text": "a"})
    elided = Asset(archive=False, fields={"hash": "1"})
    assert compare({"a": whole}, {"a": elided}) == ()
    assert compare({"a": whole}, {"a": Asset(archive=False, fields={"hash": "2"})}) != ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"spec": {"selector": {"a": 1}}}, {"spec": {"selector": {"a": 2}}}, True),
        ({"spec": {"selector": {"a": 1}}}, {}, True),
        ({"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, False),
        ({"items": [{"name": 1}]}, {"items": [{"name": 2}]}, True),
        ({"items": [{"value": 1}]}, {"items": [{"value": 2}]}, False),
    ],
)
def test_a_change_at_above_or_below_a_replacing_path_replaces(
    old: dict[str, Any], new: dict[str, Any], expected: bool
) -> None:
    replacing = [("spec", "selector"), ("items", "*", "name")]
    assert Diff(compare(old, new, replacing=replacing)).replaces is expected


def test_a_diff_without_replacing_changes_replaces_nothing() -> None:
    assert not Diff((Change(("a",), Kind.UPDATE),)).replaces


def test_a_path_is_written_as_pulumi_writes_it() -> None:
    path = ("spec", "containers", 0, "env", "a.b", "c-d")
    assert format_path(path) == 'spec.containers[0].env["a.b"]["c-d"]'
