"""Inputs as a table: what a stand-in knows of, and what a change of each means."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.providers.changes import Path, format_path
from sandbox.providers.values import Asset, Properties, Secret, Unknown


class Type(enum.Enum):
    """The types of Pulumi's package schemas."""

    STRING = "a string"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    LIST = "a list"
    MAP = "an object"
    ASSET = "an asset"


class Equality(enum.Enum):
    """When two values of an input are the same."""

    EXACT = "exact"
    UNORDERED = "the same items in any order"
    JSON = "strings that hold the same JSON"


@dataclass(frozen=True)
class Input:
    """One input that a stand-in knows.

    Attributes:
        type: What it must be.
        replace: Whether a change of it forces a replacement.
        required: Whether it must be given.
        fields: For a map, or a list of maps: the keys that may be in it; None for any key.
        allowed: The only values that may be given; None for any value.
        equality: When two values are the same.
    """

    type: Type = Type.STRING
    replace: bool = False
    required: bool = False
    fields: Mapping[str, Input] | None = None
    allowed: tuple[Any, ...] | None = None
    equality: Equality = Equality.EXACT


@dataclass(frozen=True)
class Problem:
    """Why one input cannot be taken; ``property`` is its path in Pulumi's notation."""

    property: str
    reason: str


Schema = Mapping[str, Input]


def problems(schema: Schema, inputs: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with the inputs, in the order of their names."""
    return list(_problems_of_map(schema, inputs, ()))


def replacing_paths(schema: Schema) -> list[Path]:
    """The paths whose change forces a replacement."""
    return list(_replacing(schema, ()))


def canonical(schema: Schema, inputs: Mapping[str, Any]) -> Properties:
    """The inputs in a form in which equal ones compare equal."""
    return {
        key: _canonical(schema[key].equality, value) if key in schema else value
        for key, value in inputs.items()
    }


def _canonical(equality: Equality, value: Any) -> Any:
    if equality is Equality.UNORDERED and isinstance(value, list):
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True, default=repr))
    if equality is Equality.JSON and isinstance(value, str):
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except json.JSONDecodeError:
            return value
    return value


def decode_config(schema: Schema, inputs: Mapping[str, Any]) -> Properties:
    """Undo the JSON that SDKs wrap around a provider's settings that are no strings.

    Raises:
        ValueError: When a setting that is no string holds no JSON.
    """
    return {key: _decode(schema.get(key), key, value) for key, value in inputs.items()}


def _decode(known: Input | None, key: str, value: Any) -> Any:
    if isinstance(value, Secret):
        return Secret(_decode(known, key, value.value))
    if known is None or known.type is Type.STRING or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        msg = f"{key} must be {known.type.value} written as JSON"
        raise ValueError(msg) from error


def _problems_of_map(schema: Schema, inputs: Mapping[str, Any], path: Path) -> Iterable[Problem]:
    for key in sorted(inputs.keys() | schema.keys()):
        here = (*path, key)
        known, value = schema.get(key), inputs.get(key)
        if known is None:
            yield Problem(format_path(here), _unknown(key, schema))
        elif value is not None:
            yield from _problems_of_value(known, value, here)
        elif known.required:
            yield Problem(format_path(here), f"is required and must be {known.type.value}")


def _problems_of_value(known: Input, value: Any, path: Path) -> Iterable[Problem]:
    if isinstance(value, Secret):
        value = value.value
    if isinstance(value, Unknown) or value is None:
        return
    if not _has_type(known.type, value):
        yield Problem(format_path(path), f"must be {known.type.value}, not {_described(value)}")
    elif known.allowed is not None and value not in known.allowed:
        choices = ", ".join(map(repr, known.allowed))
        yield Problem(format_path(path), f"{value!r} is not known to this stand-in, only {choices}")
    elif known.fields is not None:
        items = enumerate(value) if known.type is Type.LIST else [(None, value)]
        for index, item in items:
            place = path if index is None else (*path, index)
            yield from _problems_of_item(known.fields, item, place)


def _problems_of_item(fields: Schema, item: Any, path: Path) -> Iterable[Problem]:
    item = item.value if isinstance(item, Secret) else item
    if isinstance(item, Mapping):
        yield from _problems_of_map(fields, item, path)
    elif not isinstance(item, Unknown):
        yield Problem(format_path(path), f"must be an object, not {_described(item)}")


def _has_type(expected: Type, value: Any) -> bool:
    match expected:
        case Type.STRING:
            return isinstance(value, str)
        case Type.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.LIST:
            return isinstance(value, list)
        case Type.MAP:
            return isinstance(value, Mapping)
        case Type.ASSET:
            return isinstance(value, Asset)


def _described(value: Any) -> str:
    """The type of a value; the value itself may be a secret."""
    for type_ in Type:
        if _has_type(type_, value):
            return type_.value
    return f"a {type(value).__name__}"


def _unknown(key: str, schema: Schema) -> str:
    return f"{key!r} is not known to this stand-in; it knows {', '.join(sorted(schema))}"


def _replacing(schema: Schema, path: Path) -> Iterable[Path]:
    for key, known in schema.items():
        here = (*path, key)
        if known.replace:
            yield here
        elif known.fields is not None:
            step: Path = ("*",) if known.type is Type.LIST else ()
            yield from _replacing(known.fields, here + step)
