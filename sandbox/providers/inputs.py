"""Inputs as a table: which an emulator knows, and what a change of each means."""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.values import Properties, Unknown, has_unknown


class Type(enum.Enum):
    """The types of Pulumi's package schemas."""

    STRING = "a string"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    LIST = "a list"
    MAP = "an object"


class Equality(enum.Enum):
    """When two values of an input are the same."""

    EXACT = "exact"
    UNORDERED = "the same items in any order"
    JSON = "strings that hold the same JSON"


@dataclass(frozen=True)
class Input:
    """One input that an emulator knows.

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


Schema = Mapping[str, Input]


@dataclass(frozen=True)
class Problem:
    """Why one input cannot be taken; ``property`` is its path in Pulumi's notation."""

    property: str
    reason: str


class Change(enum.Enum):
    """What happened to one input, under the engine's own names."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Diff:
    """What an update would do.

    Attributes:
        changes: Every changed input by its name; empty when nothing has to be done.
        replacing: Those of them that force a replacement.
        delete_before_replace: Whether a replacement, whoever asks for one, can only be
            made once the old one is gone, because both would have the same name.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    replacing: frozenset[str] = frozenset()
    delete_before_replace: bool = False

    @property
    def replaces(self) -> bool:
        """Whether any change forces a replacement."""
        return bool(self.replacing)


def compare(schema: Schema, old: Properties, new: Properties) -> Diff:
    """List the inputs that differ; a None counts as absent, an unknown as changed."""
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


def same(known: Input, one: Any, other: Any) -> bool:
    """Report if two values of an input mean the same."""
    return _canonical(known, one) == _canonical(known, other)


def _canonical(known: Input, value: Any) -> str:
    """A text that equal values share: unlike in Python, True is not 1 to a remote API."""
    if known.equality is Equality.UNORDERED and isinstance(value, list):
        value = sorted(value, key=_text)
    if known.equality is Equality.JSON and isinstance(value, str):
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
    """List everything that is wrong with the inputs, in the order of their names."""
    found = []
    for key in sorted(inputs.keys() | schema.keys()):
        here, known, value = f"{path}{key}", schema.get(key), inputs.get(key)
        if known is None:
            names = ", ".join(sorted(schema))
            reason = f"{key!r} is not known to this emulator; it knows {names}"
            found.append(Problem(here, reason))
        elif value is not None:
            found += _problems_of_value(known, value, here)
        elif known.required:
            found.append(Problem(here, f"is required and must be {known.type.value}"))
    return found


def _problems_of_value(known: Input, value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, Unknown):
        return
    if not _has_type(known.type, value):
        yield Problem(path, f"must be {known.type.value}, not {_type_of(value)}")
    elif known.allowed is not None and value not in known.allowed:
        choices = ", ".join(map(repr, known.allowed))
        yield Problem(path, f"{value!r} is not known to this emulator, only {choices}")
    elif known.fields is not None:
        items = value if known.type is Type.LIST else [value]
        for index, item in enumerate(items):
            here = f"{path}[{index}]" if known.type is Type.LIST else path
            if isinstance(item, Mapping):
                yield from problems(known.fields, dict(item), f"{here}.")
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
    """The type of a value, which itself may be a secret."""
    found = (known.value for known in Type if _has_type(known, value))
    return next(found, f"a {type(value).__name__}")
