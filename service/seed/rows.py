"""Rows of customers, the same for the same seed on every machine."""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta
from functools import cache
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from service.seed import words

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("id", "name", "email", "phone", "company", "plan", "notes", "created_at", "updated_at")
# Generated and stored together: large enough to be fast, small enough to be kept in memory.
BATCH = 10_000
_COMPANIES = 5_000
_FIRST_DAY = date(2024, 1, 1)  # A clock would make runs differ.
_DAYS = 730
_DAY = 86_400
_NULL = r"\N"


def batches(seed: int, rows: int) -> Iterator[tuple[list[str], list[str]]]:
    """Generate customers.

    A batch depends on the seed and its number only, so that a larger set begins with the rows
    of a smaller one.

    Args:
        seed: Determines the rows.
        rows: Number of rows.

    Yields:
        IDs, and for each a line of PostgreSQL's text COPY format.
    """
    for start in range(0, rows, BATCH):
        yield _batch(seed, start, min(BATCH, rows - start))


def _batch(seed: int, start: int, size: int) -> tuple[list[str], list[str]]:
    random = Random(f"{seed}/{start}")  # noqa: S311  (looks, not secrets)
    noise = random.randbytes(16 * BATCH).hex()
    ids = [_uuid(noise[at : at + 32]) for at in range(0, 32 * BATCH, 32)]
    companies, weights = _companies()
    columns = zip(
        ids,
        range(start, start + size),
        random.choices(_names(words.FIRST_NAMES), k=BATCH),
        random.choices(_names(words.LAST_NAMES), k=BATCH),
        random.choices(words.MAIL_DOMAINS, k=BATCH),
        random.choices(_phones(), k=BATCH),
        random.choices(companies, cum_weights=weights, k=BATCH),
        random.choices(words.PLANS, k=BATCH),
        random.choices(words.NOTES, k=BATCH),
        random.choices(range(_DAYS * _DAY), k=BATCH),
        random.choices(range(90 * _DAY), k=BATCH),
        strict=False,
    )
    days, times = _days(), _times()
    lines = [
        f"{key}\t{first} {last}\t{first_mail}.{last_mail}.{key[:4]}{number:x}@{domain}\t{phone}\t"
        f"{company}\t{plan}\t{notes}\t{days[made // _DAY]} {times[made % _DAY]}\t"
        f"{days[(made + later) // _DAY]} {times[(made + later) % _DAY]}\n"
        for key, number, (first, first_mail), (
            last,
            last_mail,
        ), domain, phone, company, plan, notes, made, later in columns
    ]
    return ids[:size], lines


def _uuid(noise: str) -> str:
    # Version 4, variant 1 (RFC 9562, section 5.4), as the service's own ids.
    return f"{noise[:8]}-{noise[8:12]}-4{noise[13:16]}-a{noise[17:20]}-{noise[20:]}"


@cache
def _names(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the names, each with its form in an email address."""
    return [(name, _ascii(name)) for name in names]


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain.lower().replace("'", "")


@cache
def _companies() -> tuple[list[str], list[float]]:
    """Return the companies with their frequencies: a few have many customers, most have few."""
    random = Random("companies")  # noqa: S311  (looks, not secrets)
    parts = (words.COMPANY_FIRST, words.COMPANY_SECOND, words.COMPANY_FORM)
    names = {
        f"{first} {second}{form}"
        for first, second, form in zip(
            *(random.choices(part, k=_COMPANIES) for part in parts), strict=True
        )
    }
    weights = [1 / rank for rank in range(1, len(names) + 1)]
    # One customer in eight has no company.
    return [_NULL, *sorted(names)], list(accumulate([sum(weights) / 7, *weights]))


@cache
def _phones() -> list[str]:
    numbers = [
        f"{prefix}{number:0{digits}}"
        for prefix, digits in words.PHONE_RANGES
        for number in range(10**digits)
    ]
    return numbers + [_NULL] * (len(numbers) // 9)


@cache
def _days() -> list[str]:
    return [str(_FIRST_DAY + timedelta(days=day)) for day in range(_DAYS + 90)]


@cache
def _times() -> list[str]:
    return [
        f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00" for second in range(_DAY)
    ]
