"""Schema of inputs: their types, and the consequence of a change of each."""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.values import Properties, Unknown, has_unknown


class Type(enum.Enum):
    """Types of Pulumi's package schemas."""

    STRING = "a string"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    LIST = "a list"
    MAP = "an object"


class Equality(enum.Enum):
    """Definition of equality of an input's values."""

    EXACT = "exact"
    UNORDERED = "the same items in any order"
    JSON = "strings that hold the same JSON"


@dataclass(frozen=True)
class Input:
    """Schema of one input.

    Attributes:
        type: Its type.
        replace: True if a change of it forces a replacement.
        required: True if it must be set.
        fields: Allowed keys of a map, or of a list's maps; None for any key.
        allowed: Allowed values; None for any value.
        equality: Definition of equality of two values.
    """

    type: Type = Type.STRING
    replace: bool = False
    required: bool = False
    fields: Mapping[str, Input] | None = None
    allowed: tuple[Any, ...] | None = None
    equality: Equality = Equality.EXACT


Schema = Mapping[str, Input]


@dataclass(frozen=True)
class Problem:
    """Problem of an input; ``property`` is its path in Pulumi's notation."""

    property: str
    reason: str


class Change(enum.Enum):
    """Change of an input, by the engine's names."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Diff:
    """Difference of two sets of inputs.

    Attributes:
        changes: Changed inputs by name; empty if nothing is to be done.
        replacing: Changed inputs that force a replacement.
        delete_before_replace: True if a replacement, for whatever reason, can be created only
            after the deletion of the old one, because both have the same name.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    replacing: frozenset[str] = frozenset()
    delete_before_replace: bool = False

    @property
    def replaces(self) -> bool:
        """True if any change forces a replacement."""
        return bool(self.replacing)


def compare(schema: Schema, old: Properties, new: Properties) -> Diff:
    """Return the inputs that differ; None counts as absent, an unknown as changed."""
    changes = {}
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            changes[key] = Change.ADD
        elif after is None and before is not None:
            changes[key] = Change.DELETE
        elif has_unknown(after) or not same(schema.get(key, Input()), before, after):
            changes[key] = Change.UPDATE
    return Diff(changes, frozenset(key for key in changes if key in schema and schema[key].replace))


def same(expected: Input, one: Any, other: Any) -> bool:
    """Return True if two values of an input are equal."""
    return _canonical(expected, one) == _canonical(expected, other)


def _canonical(expected: Input, value: Any) -> str:
    """Return a text that is the same for equal values; True and 1 are not equal."""
    if expected.equality is Equality.UNORDERED and isinstance(value, list):
        value = sorted(value, key=_text)
    if expected.equality is Equality.JSON and isinstance(value, str):
        with contextlib.suppress(json.JSONDecodeError):
            value = json.loads(value)
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(_without_nulls(value), sort_keys=True, default=repr)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def problems(schema: Schema, inputs: Properties, path: str = "") -> list[Problem]:
    """Yield all problems of the inputs, in the order of their names."""
    found = []
    for key in sorted(inputs.keys() | schema.keys()):
        here, expected, value = f"{path}{key}", schema.get(key), inputs.get(key)
        if expected is None:
            names = ", ".join(sorted(schema))
            reason = f"this emulator does not support {key!r}; it supports {names}"
            found.append(Problem(here, reason))
        elif value is not None:
            found += _problems_of_value(expected, value, here)
        elif expected.required:
            found.append(Problem(here, f"is required and must be {expected.type.value}"))
    return found


def _problems_of_value(expected: Input, value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, Unknown):
        return
    if not _has_type(expected.type, value):
        yield Problem(path, f"must be {expected.type.value}, not {_type_of(value)}")
    elif expected.allowed is not None and value not in expected.allowed:
        choices = ", ".join(map(repr, expected.allowed))
        yield Problem(path, f"this emulator does not support {value!r}, only {choices}")
    elif expected.fields is not None:
        items = value if expected.type is Type.LIST else [value]
        for index, item in enumerate(items):
            here = f"{path}[{index}]" if expected.type is Type.LIST else path
            if isinstance(item, Mapping):
                yield from problems(expected.fields, dict(item), f"{here}.")
            elif not isinstance(item, Unknown):
                yield Problem(here, f"must be an object, not {_type_of(item)}")


_PYTHON_TYPES = {
    Type.STRING: str,
    Type.NUMBER: int | float,
    Type.BOOLEAN: bool,
    Type.LIST: list,
    Type.MAP: Mapping,
}


def _has_type(expected: Type, value: Any) -> bool:
    if isinstance(value, bool):
        return expected is Type.BOOLEAN
    return isinstance(value, _PYTHON_TYPES[expected])


def _type_of(value: Any) -> str:
    """Return the type of a value without the value, which may be a secret."""
    found = (each.value for each in Type if _has_type(each, value))
    return next(found, f"a {type(value).__name__}")
