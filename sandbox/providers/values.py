"""Pulumi's property values on the wire, as plain Python and back.

The engine sends properties as ``google.protobuf.Struct`` and marks what JSON cannot
say with an object holding a signature, or with a reserved string for a value that is
not known yet. The signatures and reserved strings are those of the engine's
``sdk/go/common/resource/plugin/rpc.go`` and ``sdk/go/common/resource/sig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type's mark
ASSET_SIGNATURE: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE_SIGNATURE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE_SIGNATURE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        _UNKNOWN_STRING,
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_LARGEST_EXACT_INTEGER: Final = 2**53

Properties = dict[str, Any]


class Unknown:
    """A value that the engine will know only after something else was created."""

    def __repr__(self) -> str:
        """Name it as Pulumi's own output does."""
        return "<unknown>"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine must encrypt in its state."""

    value: Any

    def __repr__(self) -> str:
        """Never show the value, not even in a traceback."""
        return "Secret(...)"


@dataclass(frozen=True)
class Asset:
    """A file or an archive that the program passed; ``fields`` are Pulumi's own.

    Attributes:
        archive: Whether it is an archive rather than one file.
        fields: ``hash`` and one of ``text``, ``path``, ``uri``, ``assets``.
    """

    archive: bool
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class ResourceReference:
    """Another resource passed as a value; ``identity`` is its provider's id, if known."""

    urn: str
    identity: Any = None


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Decode a property bag.

    Raises:
        ValueError: For a signature that this protocol version does not know.
    """
    return {key: _decode(value) for key, value in struct.fields.items()}


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Encode a property bag.

    Raises:
        TypeError: For a value that no property can hold.
    """
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        struct.fields[key].CopyFrom(_encode(value))
    return struct


def reveal(value: Any) -> Any:
    """The same value without its secret marks, to hand to a remote API."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, Mapping):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether any part of the value is not known yet."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, Asset):
        return has_unknown(value.fields)
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return isinstance(value, Unknown)


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "struct_value":
            return _decode_object(from_struct(value.struct_value))
        case _:
            return None


def _number(number: float) -> int | float:
    """JSON has one kind of number; the remote APIs insist on integers for counts."""
    if number.is_integer() and abs(number) <= _LARGEST_EXACT_INTEGER:
        return int(number)
    return number


def _decode_object(fields: Properties) -> Any:
    signature = fields.pop(SIGNATURE, None)
    match signature:
        case None:
            return fields
        case x if x == SECRET_SIGNATURE:
            return Secret(fields["value"])
        case x if x == OUTPUT_SIGNATURE:
            inner = fields.get("value", UNKNOWN)
            return Secret(inner) if fields.get("secret") else inner
        case x if x in (ASSET_SIGNATURE, ARCHIVE_SIGNATURE):
            return Asset(archive=x == ARCHIVE_SIGNATURE, fields=fields)
        case x if x == RESOURCE_SIGNATURE:
            return ResourceReference(fields["urn"], fields.get("id"))
        case _:
            msg = f"a value carries the signature {signature!r}, which this protocol does not know"
            raise ValueError(msg)


def _encode(value: Any) -> struct_pb2.Value:  # noqa: PLR0911 - one for each kind of JSON
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
        case Mapping():
            return struct_pb2.Value(struct_value=to_struct(value))
        case list() | tuple():
            items = [_encode(item) for item in value]
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
        case _:
            return _encode_special(value)


def _encode_special(value: Any) -> struct_pb2.Value:
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_UNKNOWN_STRING)
    if isinstance(value, Secret):
        return _encode({SIGNATURE: SECRET_SIGNATURE, "value": value.value})
    if isinstance(value, Asset):
        signature = ARCHIVE_SIGNATURE if value.archive else ASSET_SIGNATURE
        return _encode({SIGNATURE: signature, **value.fields})
    if isinstance(value, ResourceReference):
        identity = {} if value.identity is None else {"id": value.identity}
        return _encode({SIGNATURE: RESOURCE_SIGNATURE, "urn": value.urn, **identity})
    msg = f"a property cannot hold a {type(value).__name__}"
    raise TypeError(msg)
