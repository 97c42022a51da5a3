"""Redaction of secrets in text that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
_SHORTEST_SECRET = 6

_NAME = (
    r"(?:[\w.-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|authorization|cookie|session|signature)[\w.-]*)"
)
_PATTERNS: tuple[re.Pattern[str], ...] = (
    # The password of a URL: postgresql://user:password@host
    re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s@]+(?=@)", re.IGNORECASE),
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    # Bearer and Basic, with or without a header's name.
    re.compile(r"(?P<before>\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}", re.IGNORECASE),
    # name=value, name: value, "name": "value", name='value'
    re.compile(
        rf"(?P<before>\b{_NAME}[\"']?\s*(?:=>|=|:)\s*)"
        r"(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[^\s,;&)\]}\"']+)",
        re.IGNORECASE,
    ),
    # Secrets by their form: AWS's keys, GitHub's, Pulumi's and Slack's tokens, JWTs.
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,})"),
    re.compile(r"\bpul-[0-9a-f]{20,}\b"),
    re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    re.compile(r"\bsk_(?:live|test)_\w{10,}"),
    re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"),
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Return the text without secrets, or what looks like one.

    Args:
        text: Any text.
        known: Values to hide, whatever they look like.
    """
    for secret in sorted(set(known), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(_hide, text)
    return text


def _hide(match: re.Match[str]) -> str:
    return f"{match.groupdict().get('before') or ''}{HIDDEN}"
