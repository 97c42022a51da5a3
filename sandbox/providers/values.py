"""Conversion of Pulumi's property values between protobuf and plain Python.

A ``google.protobuf.Struct`` holds JSON. An unknown value is a reserved string in it, and a type
that JSON lacks is an object with a signature. The constants are those of the engine's
``sdk/go/common/resource/plugin/rpc.go`` and ``sdk/go/common/resource/sig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type's mark
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
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
    """A value that is unknown until something else is created."""

    def __repr__(self) -> str:
        """Return the text that Pulumi's output has for it."""
        return "<unknown>"


UNKNOWN: Final = Unknown()


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Decode a property bag.

    Raises:
        ValueError: A value is of an unsupported type, such as an asset.
    """
    decoded: Properties = _decode(json_format.MessageToDict(struct))
    return decoded


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Encode a property bag.

    Raises:
        TypeError: A value is of a type that no property can have.
    """
    try:
        return json_format.ParseDict(_encode(properties), struct_pb2.Struct())
    except json_format.ParseError as error:
        raise TypeError(str(error)) from error


def has_unknown(value: Any) -> bool:
    """Return True if the value is or contains an unknown."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return isinstance(value, Unknown)


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if SIGNATURE in value:
            return _decode_special(value)
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT_INTEGER:
        # JSON has one type of number; the remote APIs require integers for counts.
        return int(value)
    if isinstance(value, str) and value in _UNKNOWNS:
        return UNKNOWN
    return value


def _decode_special(fields: Properties) -> Any:
    """Unwrap a secret or an output; the engine marks outputs of secret inputs itself."""
    if fields[SIGNATURE] in (_SECRET, _OUTPUT):
        return _decode(fields.get("value", _UNKNOWN_STRING))
    msg = f"a value carries the signature {fields[SIGNATURE]!r}: an asset, an archive or a resource"
    raise ValueError(msg)


def _encode(value: Any) -> Any:
    if isinstance(value, Unknown):
        return _UNKNOWN_STRING
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value
