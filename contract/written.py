"""Values of YAML that people write, as they were written; `contract.yaml_reader` reads them.

YAML 1.1 takes ``3.10`` for 3.1, ``0022`` for 18, ``1:30`` for 90 and ``no`` for false. So a plain
value stays the text that somebody wrote, as a `Written`, until its reader wants a text, which it
is, or a number, which has to be in plain decimal digits.
"""

from __future__ import annotations

import math
import re
from typing import cast

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 100
_TRUE = frozenset({"yes", "true", "on"})

_Place = tuple[str | int, ...]


class PlacedError(ValueError):
    """A value that is wrong where a whole is checked that it is a part of.

    Attributes:
        at: Path of the value, below the one that is checked.
    """

    def __init__(self, problem: str, at: _Place = ()) -> None:
        self.at = at
        super().__init__(problem)


class WrittenError(PlacedError):
    """A text that is no YAML, or a value in it that could mean several things.

    Attributes:
        line: Number of its line.
        snippet: YAML to write instead, if that is known.
    """

    def __init__(self, problem: str, *, line: int, at: _Place = (), snippet: str = "") -> None:
        self.line = line
        self.snippet = snippet
        super().__init__(problem, at)

    @property
    def located(self) -> str:
        """The problem after its line, and its path if that is known."""
        place = f"{'.'.join(map(str, self.at))}: " if self.at else ""
        return f"line {self.line}: {place}{self}"


class QuotesMissingError(WrittenError):
    """A placeholder without quotes, which YAML takes for a mapping.

    Attributes:
        text: The text that it should have been.
    """

    def __init__(self, key: Bare, at: _Place = ()) -> None:
        self.text = "{" + key.strip("{}") + "}"
        problem = f'without quotes YAML takes it for a mapping: write "{self.text}" in quotes'
        super().__init__(problem, line=key.line, at=at)


class Written(str):
    """A plain value that YAML would read as something else than a text.

    Attributes:
        kind: ``bool``, ``float``, ``int`` or ``timestamp``.
        line: Number of its line.
    """

    __slots__ = ("kind", "line")
    kind: str
    line: int


class Bare(str):
    """The only key of a mapping that was written without a colon: ``{name}`` or ``{{name}}``.

    Attributes:
        line: Number of its line.
    """

    __slots__ = ("line",)
    line: int


def as_json(value: object, at: _Place = ()) -> object:
    """Return a content with numbers and truth values, as JSON has them; times stay texts.

    Raises:
        WrittenError: A number is in no form of JSON, or a placeholder lacks its quotes.
    """
    if isinstance(value, Written):
        return _number(value, at) if value.kind in {"float", "int"} else _other(value)
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        bare = bare_key(entries)
        if bare is not None:
            raise QuotesMissingError(bare, at)
        return {str(key): as_json(one, (*at, str(key))) for key, one in entries.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [as_json(one, (*at, number)) for number, one in enumerate(items)]
    return value


def bare_key(value: object) -> Bare | None:
    """Return the key of ``{name}``, if a value was written like that."""
    if not isinstance(value, dict):
        return None
    return next((key for key in cast("dict[object, object]", value) if isinstance(key, Bare)), None)


def _other(value: Written) -> object:
    return value.lower() in _TRUE if value.kind == "bool" else str(value)


def _number(value: Written, at: _Place) -> int | float:
    if len(value) <= _LONGEST_NUMBER and _JSON_NUMBER.fullmatch(value):
        number = int(value) if value.kind == "int" else float(value)
        if math.isfinite(number):
            return number
    problem = "YAML and JSON differ on this number: write it in decimal digits, or in quotes"
    raise WrittenError(problem, line=value.line, at=at)
