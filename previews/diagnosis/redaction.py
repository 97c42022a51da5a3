"""Redaction of secrets in text that people read.

The text may be an attacker's, such as the output of a pull request's tests. So every expression
here takes time in proportion to its length: it begins where nothing before could have begun it, and
what it has passed it does not give back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
_SHORTEST_SECRET = 6
_LONGEST_LINE = 64 * 1024

# The end of the scheme and the user of a URL: postgresql://user:password@host
_USER = re.compile(r"://[^\s/:@]*+:")
_END_OF_PASSWORD = re.compile(r"[\s@]")
# name=value, name: value, "name": "value", name='value'
_NAME = re.compile(r"(?<![\w.-])(?P<name>[\w.-]++)[\"']?+\s*+(?:=>|=|:)\s*+")
_SECRET = re.compile(
    r"passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|authorization|cookie|session|signature",
    re.IGNORECASE,
)
# A quote without its end was cut with its line.
_VALUE = re.compile(
    r"\"(?:\\[\s\S]|[^\"\\])*+\"|'(?:\\[\s\S]|[^'\\])*+'|[\"'][^\n]*+|[^\s,;&)\]}\"']++"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
# Bearer and Basic, with or without a header's name.
_SCHEME = re.compile(r"(?P<before>\b(?:bearer|basic)\s++)[\w.~+/=-]{6,}+", re.IGNORECASE)
# Secrets by their form: AWS's keys, GitHub's, Pulumi's and Slack's tokens, JWTs.
_FORMS: tuple[re.Pattern[str], ...] = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_\w{20,}+|github_pat_\w{20,}+)"),
    re.compile(r"\bpul-[0-9a-f]{20,}+\b"),
    re.compile(r"\bxox[abprs]-[\w-]{10,}+"),
    re.compile(r"\bsk_(?:live|test)_\w{10,}+"),
    # From the beginning of a word, for what begins within it would pass over its end again.
    re.compile(r"(?<![\w-])(?P<before>(?:(?!\beyJ)[\w-])*+)eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]++"),
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Return the text without secrets, or what looks like one.

    Lines that nobody could read are cut, each at the end of a word.

    Args:
        text: Any text.
        known: Values to hide, whatever they look like.
    """
    # The longest first: of one that another is a part of, the rest would stay.
    for secret in sorted(set(known), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    if len(text) > _LONGEST_LINE:
        text = "\n".join(map(_cut, text.split("\n")))
    text = _without_passwords(text)
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _SCHEME.sub(_hide, text)
    text = _without_named(text)
    for form in _FORMS:
        text = form.sub(_hide, text)
    return text


def _cut(line: str) -> str:
    """Cut a line that is too long; half of a word at its end could be half of a secret."""
    if len(line) <= _LONGEST_LINE:
        return line
    words = line[:_LONGEST_LINE].rsplit(maxsplit=1)
    return f"{words[0] if len(words) > 1 else ''} …"


def _without_passwords(text: str) -> str:
    """Hide the passwords of URLs."""
    parts: list[str] = []
    done = place = 0
    while user := _USER.search(text, place):
        end = _END_OF_PASSWORD.search(text, user.end())
        if end is None:
            break
        # Before a space there is no other `@` for any URL that begins up to there.
        place = end.start()
        if end[0] == "@" and place > user.end():
            parts += text[done : user.end()], HIDDEN
            done = place
    return "".join([*parts, text[done:]])


def _without_named(text: str) -> str:
    """Hide the values whose name says that they are secret."""
    parts: list[str] = []
    done = place = 0
    while name := _NAME.search(text, place):
        place = name.end()
        value = _VALUE.match(text, place) if _SECRET.search(name["name"]) else None
        if value is not None:
            parts += text[done:place], HIDDEN
            done = place = value.end()
    return "".join([*parts, text[done:]])


def _hide(match: re.Match[str]) -> str:
    return f"{match.groupdict().get('before') or ''}{HIDDEN}"
