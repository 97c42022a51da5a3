from __future__ import annotations

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from sandbox.providers.values import (
    SIGNATURE,
    UNKNOWN,
    Asset,
    ResourceReference,
    Secret,
    from_struct,
    has_unknown,
    reveal,
    to_struct,
)

_KEYS = st.text(max_size=8).filter(lambda key: key != SIGNATURE)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number % 1 != 0)
    | st.text(max_size=12)
    | st.just(UNKNOWN)
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4) | inner.map(Secret)
    ),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_every_value_survives_the_wire(properties: dict[str, object]) -> None:
    assert from_struct(to_struct(properties)) == properties


def test_a_whole_number_arrives_as_an_integer() -> None:
    struct = struct_pb2.Struct()
    struct.update({"replicas": 1.0, "cpu": 0.5})
    assert from_struct(struct) == {"replicas": 1, "cpu": 0.5}
    assert isinstance(from_struct(struct)["replicas"], int)


def test_an_output_value_is_opened() -> None:
    signature = {SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    struct = struct_pb2.Struct()
    struct.update(
        {
            "known": {**signature, "value": 1.0},
            "secret": {**signature, "value": "x", "secret": True},
            "unknown": dict(signature),
        }
    )
    assert from_struct(struct) == {"known": 1, "secret": Secret("x"), "unknown": UNKNOWN}


def test_assets_archives_and_references_keep_what_they_hold() -> None:
    text = Asset(archive=False, fields={"hash": "1", "text": "a"})
    properties = {
        "asset": text,
        "archive": Asset(archive=True, fields={"hash": "2", "assets": {"a": text}}),
        "reference": ResourceReference("urn:pulumi:s::p::t::n", "id"),
    }
    assert from_struct(to_struct(properties)) == properties


def test_a_signature_of_a_later_protocol_is_refused() -> None:
    struct = struct_pb2.Struct()
    struct.update({"a": {SIGNATURE: "0000"}})
    with pytest.raises(ValueError, match="signature '0000'"):
        from_struct(struct)


def test_what_no_property_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        to_struct({"a": b"1"})


@given(_VALUES)
def test_revealing_leaves_no_secret(value: object) -> None:
    assert "Secret(" not in repr(reveal(value))


def test_a_secret_does_not_show_itself() -> None:
    assert "hunter2" not in repr({"password": Secret("hunter2")})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, {"b": UNKNOWN}]}, True),
        (Secret(UNKNOWN), True),
        (Asset(archive=True, fields={"assets": {"a": UNKNOWN}}), True),
        ({"a": [1, {"b": "x"}]}, False),
    ],
)
def test_unknowns_are_found_at_any_depth(value: object, expected: bool) -> None:
    assert has_unknown(value) is expected
