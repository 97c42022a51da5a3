"""Which properties changed between two sets of inputs, path by path."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.providers.values import Asset, Secret, Unknown

Path = tuple[str | int, ...]
ANY: Final = "*"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_ABSENT: Final = object()


class Kind(enum.Enum):
    """What happened to one property."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class Change:
    """One property that differs.

    Attributes:
        path: Keys and list positions from the root of the inputs.
        kind: What happened to it.
        replaces: Whether the resource has to be replaced because of it.
    """

    path: Path
    kind: Kind
    replaces: bool = False


@dataclass(frozen=True)
class Diff:
    """What an update would do.

    Attributes:
        changes: Every changed property; empty when nothing has to be done.
        delete_before_replace: Whether a replacement, whoever asks for one, can only be
            made once the old one is gone, because both would have the same name.
    """

    changes: tuple[Change, ...] = field(default=())
    delete_before_replace: bool = False

    @property
    def replaces(self) -> bool:
        """Whether any change forces a replacement."""
        return any(change.replaces for change in self.changes)


def compare(old: Any, new: Any, *, replacing: Iterable[Path] = ()) -> tuple[Change, ...]:
    """List the differences between two property values.

    A key that holds None counts as absent, as it does for the engine's own SDKs.

    Args:
        old: The inputs in the state.
        new: The inputs that the program asks for; may hold unknowns, which count as changed.
        replacing: Paths whose change forces a replacement; ``ANY`` stands for any list position.
    """
    patterns = tuple(replacing)
    return tuple(
        Change(path, kind, any(_concerns(pattern, path) for pattern in patterns))
        for path, kind in _walk(old, new, ())
    )


def _walk(old: Any, new: Any, path: Path) -> Iterable[tuple[Path, Kind]]:
    old, new = _open(old), _open(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _walk(_get(old, key), _get(new, key), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _walk(_at(old, index), _at(new, index), (*path, index))
    elif old is _ABSENT and new is not _ABSENT:
        yield path, Kind.ADD
    elif new is _ABSENT and old is not _ABSENT:
        yield path, Kind.DELETE
    elif isinstance(new, Unknown) or not _same(old, new):
        yield path, Kind.UPDATE


def _open(value: Any) -> Any:
    return _open(value.value) if isinstance(value, Secret) else value


def _get(mapping: Mapping[str, Any], key: str) -> Any:
    value = mapping.get(key, _ABSENT)
    return _ABSENT if value is None else value


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, Asset) and isinstance(new, Asset):
        # The engine leaves the contents out when it asks for a diff; the hash stays.
        return old.archive == new.archive and old.fields.get("hash") == new.fields.get("hash")
    # True == 1 in Python, but not for a remote API.
    return isinstance(old, bool) == isinstance(new, bool) and bool(old == new)


def _concerns(pattern: Path, path: Path) -> bool:
    """Whether one is the start of the other: a change of the whole changes the part."""
    return all(
        expected == found or (expected == ANY and isinstance(found, int))
        for expected, found in zip(pattern, path, strict=False)
    )


def format_path(path: Path) -> str:
    """The path in Pulumi's notation, ``spec.containers[0].env["a.b"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text
