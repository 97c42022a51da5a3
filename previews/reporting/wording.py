"""How times, amounts and texts are put into words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

_FENCE = re.compile(r"`{3,}")
_ESCAPED = re.compile(r"\\([\\|`*_{}\[\]<>#])|`|\u200b")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def duration(seconds: float, *, units: int = 2) -> str:
    """``42 s``, ``3 min 5 s``, ``2 h 10 min``, ``6 d 4 h``: so many units at most."""
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
    """How old something is."""
    return duration((now - since) / timedelta(seconds=1), units=units)


def moment(time: datetime) -> str:
    """``25 Nov 2026, 03:44 UTC``."""
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


def dollars(amount: Decimal) -> str:
    """An amount that nobody takes for exact."""
    return f"${amount:.2f}" if amount >= Decimal("0.01") or amount == 0 else "below $0.01"


def code(text: str) -> str:
    """Text in a fence that it can't get out of, whatever is in it."""
    longest = max((len(found) for found in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def cell(text: str) -> str:
    """Text in a cell of a table: nothing in it is markup, or another column."""
    escaped = re.sub(r"([\\|`*_{}\[\]<>#])", r"\\\1", " ".join(text.split()))
    # A name that was written in a commit or a log is no call for that person.
    return escaped.replace("@", "@\u200b")


def plain(text: str) -> str:
    """A cell of a table, as `cell` made it or with code in it, without what is markup."""
    return _ESCAPED.sub(lambda match: match[1] or "", text.replace("<br>", "\n"))
