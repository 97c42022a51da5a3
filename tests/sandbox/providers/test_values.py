from __future__ import annotations

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from sandbox.providers.values import SIGNATURE, UNKNOWN, from_struct, has_unknown, to_struct

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
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
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


def test_outputs_and_secrets_are_opened() -> None:
    signature = {SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    struct = struct_pb2.Struct()
    struct.update(
        {
            "known": {**signature, "value": 1.0},
            "secret": {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": {"a": "x"}},
            "unknown": dict(signature),
        }
    )
    assert from_struct(struct) == {"known": 1, "secret": {"a": "x"}, "unknown": UNKNOWN}


@pytest.mark.parametrize(
    ("number", "kind"),
    [(2.0**53, int), (-(2.0**53), int), (2.0**53 + 2, float), (-(2.0**53) - 2, float)],
)
def test_a_number_too_large_to_be_exact_stays_as_it_came(number: float, kind: type) -> None:
    struct = struct_pb2.Struct()
    struct.update({"number": number})
    found = from_struct(struct)["number"]
    assert (found, type(found)) == (number, kind)


def test_a_tuple_is_a_list_on_the_wire_and_an_unknown_is_shown_as_pulumi_does() -> None:
    assert from_struct(to_struct({"a": (1, UNKNOWN)})) == {"a": [1, UNKNOWN]}
    assert repr(UNKNOWN) == "<unknown>"


# sdk/go/common/resource/plugin/rpc.go: of a boolean, a number, a string, an array, an asset, an
# archive and an object.
@pytest.mark.parametrize(
    "reserved",
    [
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    ],
)
def test_each_reserved_string_is_an_unknown(reserved: str) -> None:
    struct = struct_pb2.Struct()
    struct.update({"text": reserved})
    assert from_struct(struct) == {"text": UNKNOWN}


@pytest.mark.parametrize("signature", ["c44067f5952c0a294b673a41bacd8c17", "other"])
def test_an_asset_or_what_another_protocol_marks_is_refused(signature: str) -> None:
    struct = struct_pb2.Struct()
    struct.update({"code": [{SIGNATURE: signature, "text": "x"}]})
    with pytest.raises(ValueError, match=signature):
        from_struct(struct)


def test_what_no_property_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        to_struct({"a": [object()]})


@pytest.mark.parametrize(
    ("value", "expected"),
    [({"a": [1, {"b": UNKNOWN}]}, True), (UNKNOWN, True), ({"a": [1, {"b": "x"}]}, False)],
)
def test_unknowns_are_found_at_any_depth(value: object, expected: bool) -> None:
    assert has_unknown(value) is expected
