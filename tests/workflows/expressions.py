"""GitHub's expressions, so far as the workflows use them: alternatives of names, and conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EXPRESSION = re.compile(r"\$\{\{(.+?)\}\}", re.DOTALL)
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_TEXT = re.compile(r"'([^']*)'")
_FALSE = {"", "false"}


def evaluate(text: str, context: Mapping[str, str]) -> str:
    """Evaluate a value whose expressions are alternatives of names: ``${{ a.b || c.d }}``."""

    def first(match: re.Match[str]) -> str:
        values = (_value(name, context) for name in match[1].split("||"))
        return next((value for value in values if value), "")

    return _EXPRESSION.sub(first, text)


def holds(condition: str, context: Mapping[str, str], *, failed: bool = False) -> bool:
    """Evaluate a condition: names, comparisons, ``!``, ``&&`` and ``||`` without brackets.

    Args:
        condition: What stands behind ``if:``; empty where nothing does.
        context: The values of the names.
        failed: Whether anything before has failed; then only what asks for that runs.
    """
    if failed and "failure()" not in condition and "always()" not in condition:
        return False
    alternatives = [one.split("&&") for one in condition.split("||")] if condition else []
    return not alternatives or any(
        all(_clause(clause.strip(), context, failed=failed) for clause in clauses)
        for clauses in alternatives
    )


def _clause(clause: str, context: Mapping[str, str], *, failed: bool) -> bool:
    if clause == "failure()":
        return failed
    if clause == "always()":
        return True
    if clause.startswith("!"):
        return _value(clause.removeprefix("!"), context) in _FALSE
    one, compared, other = clause.partition("==")
    if not compared:
        return _value(one, context) not in _FALSE
    return _value(one, context) == _value(other, context)


def _value(word: str, context: Mapping[str, str]) -> str:
    text = _TEXT.fullmatch(word.strip())
    if text is not None:
        return text[1]
    assert _NAME.fullmatch(word.strip()), f"not read here: {word}"
    return context.get(word.strip(), "")
