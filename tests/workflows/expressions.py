"""GitHub's expressions, so far as the workflows use them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_EXPRESSION = re.compile(r"\$\{\{(.+?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<sign>&&|\|\||[!=]=|[!(),])|(?P<word>[\w.*-]+))"
)
_FALSE = {"", "false"}
_STATES = ("always", "cancelled", "failure", "success")
"""Functions that ask how what came before has ended; without any, all of it has to be a success."""


@dataclass(frozen=True)
class Before:
    """End of the steps or jobs before.

    Attributes:
        failed: True if one of them was no success.
        cancelled: True if the run was cancelled.
    """

    failed: bool = False
    cancelled: bool = False

    @property
    def states(self) -> dict[str, bool]:
        """Answer of each function, by its name."""
        return {
            "always": True,
            "cancelled": self.cancelled,
            "failure": self.failed and not self.cancelled,
            "success": not self.failed and not self.cancelled,
        }


def evaluate(text: str, context: Mapping[str, str]) -> str:
    """Replace each ``${{ … }}`` by its value; names without one are empty."""
    return _EXPRESSION.sub(lambda match: _Reader(match[1], context).value(), text)


def holds(
    condition: str, context: Mapping[str, str], *, failed: bool = False, cancelled: bool = False
) -> bool:
    """Return True if what has this condition runs.

    Args:
        condition: What stands behind ``if:``; empty where nothing does.
        context: The values of the names.
        failed: True if anything before was no success.
        cancelled: True if the run was cancelled.
    """
    before = Before(failed, cancelled)
    asks = re.search(rf"\b(?:{'|'.join(_STATES)})\(\)", condition)
    if not before.states["success"] and not asks:
        return False
    return not condition or _Reader(condition, context, before).value() not in _FALSE


@dataclass
class _Reader:
    """One expression, read from left to right; every value is a text."""

    expression: str
    context: Mapping[str, str]
    before: Before = field(default_factory=Before)

    def __post_init__(self) -> None:
        self._tokens: list[str] = []
        at, end = 0, len(self.expression.rstrip())
        while at < end:
            match = _TOKEN.match(self.expression, at)
            assert match is not None, f"not read here: {self.expression[at:]}"
            self._tokens.append(match[0].strip())
            at = match.end()

    def value(self) -> str:
        found = self._alternatives()
        assert not self._tokens, f"not read here: {' '.join(self._tokens)}"
        return found

    def _alternatives(self) -> str:
        value = self._all()
        while self._takes("||"):
            other = self._all()
            value = other if value in _FALSE else value
        return value

    def _all(self) -> str:
        value = self._comparison()
        while self._takes("&&"):
            other = self._comparison()
            value = value if value in _FALSE else other
        return value

    def _comparison(self) -> str:
        value = self._term()
        for sign, equal in (("==", True), ("!=", False)):
            if self._takes(sign):
                return json.dumps((value == self._term()) is equal)
        return value

    def _term(self) -> str:
        if self._takes("!"):
            return json.dumps(self._term() in _FALSE)
        if self._takes("("):
            value = self._alternatives()
            assert self._takes(")"), f"not closed: {self.expression}"
            return value
        word = self._tokens.pop(0)
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        assert re.fullmatch(r"[\w.*-]+", word), f"not read here: {word}"
        return self._call(word) if self._takes("(") else self.context.get(word, "")

    def _call(self, name: str) -> str:
        arguments: list[str] = []
        while not self._takes(")"):
            arguments.append(self._alternatives())
            self._takes(",")
        if name in _STATES:
            return json.dumps(self.before.states[name])
        functions: dict[str, Callable[..., str]] = {
            "contains": lambda text, part: json.dumps(part.lower() in text.lower()),
            "format": lambda form, *values: form.format(*values),
            "startsWith": lambda text, start: json.dumps(text.lower().startswith(start.lower())),
        }
        assert name in functions, f"not read here: {name}()"
        return functions[name](*arguments)

    def _takes(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        del self._tokens[0]
        return True
