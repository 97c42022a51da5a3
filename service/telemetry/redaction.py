"""Redaction of personal data and secrets in all log lines."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

REDACTED = "[redacted]"
# Parts of a key's name whose value is never written.
_SECRET_KEYS = re.compile(
    r"passw|secret|token|authori[sz]ation|cookie|credential|api[-_]?key|private|e?mail|phone",
    re.IGNORECASE,
)
_PATTERNS = (
    # scheme://user:password@host
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*(?=@)"), REDACTED),
    # Credentials as they stand in an Authorization header.
    (
        re.compile(r"\b(Bearer|Basic|Digest|Negotiate)\s+[\w.~+/=-]+", re.IGNORECASE),
        rf"\1 {REDACTED}",
    ),
    # password=..., token: ...
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|api[-_]?key)['\"]?\s*[=:]\s*)[^\s,;&)]+", re.IGNORECASE
        ),
        rf"\1{REDACTED}",
    ),
    # PostgreSQL's DETAIL: Key (email)=(ann@example.com) already exists.
    (re.compile(r"(\([\w, ]+\)=)\(.*?\)(?=\s|$)"), rf"\1({REDACTED})"),
    (re.compile(r"(Failing row contains) \(.*\)"), rf"\1 ({REDACTED})"),
    # A query's values.
    (re.compile(r"([?&][^=\s?&#]{1,100}=)[^\s&#\"']*"), rf"\1{REDACTED}"),
    (re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+"), REDACTED),
    # A telephone number as E.164 writes it.
    (re.compile(r"(?<![\w+])\+[1-9]\d{6,14}\b"), REDACTED),
)


@lru_cache(maxsize=1024)
def _names_a_secret(key: str) -> bool:
    return _SECRET_KEYS.search(key) is not None


def redact_text(text: str) -> str:
    """Return ``text`` without addresses, numbers, credentials and query values."""
    # Most lines hold none of them; one look spares eight.
    if not _SUSPICIOUS.search(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


_SUSPICIOUS = re.compile(
    r"[@?&+=(]|bearer|basic|digest|negotiate|passw|secret|token|key", re.IGNORECASE
)


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact an event; the last processor of structlog before a line is rendered."""
    for key, value in event.items():
        event[key] = _redact_value(key, value)
    return event


def _redact_value(key: str, value: Any) -> Any:
    if _names_a_secret(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {str(name): _redact_value(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value("", part) for part in value]
    if isinstance(value, int | float | bool | None):
        return value
    return redact_text(str(value))
