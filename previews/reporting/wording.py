"""Formats of times, amounts and texts for people."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

_FENCE = re.compile(r"`{3,}")
_ESCAPED = re.compile(r"\\([\\|`*_{}\[\]<>#])|`|\u200b")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def duration(seconds: float, *, units: int = 2) -> str:
    """Format a duration with at most `units` units: ``42 s``, ``3 min 5 s``, ``6 d 4 h``."""
    left = max(round(seconds), 0)
    parts = []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
        left %= size
    if not parts or (left and seconds < _UNITS[1][0]):
        parts.append(f"{left} s")
    return " ".join(parts[:units])


def age(since: datetime, now: datetime, *, units: int = 2) -> str:
    """Format the time from `since` to `now`, as `duration` does."""
    return duration((now - since) / timedelta(seconds=1), units=units)


def moment(time: datetime) -> str:
    """Format a time: ``25 Nov 2026, 03:44 UTC``."""
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


def dollars(amount: Decimal) -> str:
    """Format an amount, rounded to cents."""
    return f"${amount:.2f}" if amount >= Decimal("0.01") or amount == 0 else "below $0.01"


def code(text: str) -> str:
    """Put text into a code block that no text inside can end."""
    longest = max((len(found) for found in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def cell(text: str) -> str:
    """Escape text for a cell of a table, so that nothing in it is markup or another column."""
    escaped = re.sub(r"([\\|`*_{}\[\]<>#])", r"\\\1", " ".join(text.split()))
    # A name in a commit or a log must not notify that person.
    return escaped.replace("@", "@\u200b")


def plain(text: str) -> str:
    """Remove the markup from a cell of a table, made by `cell` or with code in it."""
    return _ESCAPED.sub(lambda match: match[1] or "", text.replace("<br>", "\n"))
