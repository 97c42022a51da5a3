"""GitHub's expressions, so far as the workflows use them: names, comparisons, ``&&`` and ``||``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_EXPRESSION = re.compile(r"\$\{\{(.+?)\}\}", re.DOTALL)
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_TEXT = re.compile(r"'([^']*)'")
_FORMAT = re.compile(r"format\('([^']*)', ([\w.-]+)\)")
_STARTS_WITH = re.compile(r"startsWith\(([\w.-]+), '([^']*)'\)")
_FALSE = {"", "false"}


def evaluate(text: str, context: Mapping[str, str]) -> str:
    """Evaluate a value whose expressions are alternatives: ``${{ a.b || c.d && 'e' }}``."""

    def first(match: re.Match[str]) -> str:
        values = (_last(one.split("&&"), context) for one in match[1].split("||"))
        return next((value for value in values if value), "")

    return _EXPRESSION.sub(first, text)


def _last(terms: Sequence[str], context: Mapping[str, str]) -> str:
    """The last of values that all are true; nothing if one is not."""
    if not all(_clause(term.strip(), context, failed=False) for term in terms[:-1]):
        return ""
    term = terms[-1].strip()
    form = _FORMAT.fullmatch(term)
    if form is not None:
        return form[1].replace("{0}", _value(form[2], context))
    if any(sign in term for sign in ("==", "!=")):
        return str(_clause(term, context, failed=False)).lower()
    return _value(term, context)


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
    if clause in {"failure()", "always()"}:
        return failed or clause == "always()"
    if clause.startswith("!"):
        return _value(clause.removeprefix("!"), context) in _FALSE
    begins = _STARTS_WITH.fullmatch(clause)
    if begins is not None:
        return _value(begins[1], context).startswith(begins[2])
    one, differs, other = clause.partition("!=")
    if differs:
        return _value(one, context) != _value(other, context)
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
