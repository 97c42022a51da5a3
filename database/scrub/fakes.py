"""Kinds of fakes. A new kind needs one entry in the registry `FAKE_KINDS`, at the end.

Rules, scrub, proof, tests and the table in docs/scrub.md (`make docs`) read that registry.

A fake is an SQL expression of the old value and of the scrub's secret salt, which is in the
setting ``scrub.salt`` and in no statement's text. Equal values become equal fakes in every
table, and without the salt, which is deleted at the end, nobody can test guesses of old values.

Fakes that have to differ are cut from SHA-256. A choice from a list uses PostgreSQL's own 64-bit
hash, which is faster; a list is too short for a fake to reveal anything of the old value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Composable, Literal

from database.scrub import words

if TYPE_CHECKING:
    from collections.abc import Callable

    Expression = Callable[[Composable], Composable]

_SALT = SQL("current_setting('scrub.salt')")
# 80 bits: among a million values a collision has a probability of 10^-12.
_DIGITS = 20
_HIGHEST_BIGINT = 2**63 - 1
_FILLER = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt"
    " ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation. "
)
_STREETS = tuple(f"{name} Street" for name in words.COMPANY_FIRST)
# All ranges as beginnings of numbers whose last two digits vary.
_PHONES = tuple(
    f"{prefix}{number:0{digits - 2}}" if digits > 2 else prefix  # noqa: PLR2004
    for prefix, digits in words.PHONE_RANGES
    for number in range(10 ** (digits - 2))
)


@dataclass(frozen=True)
class FakeKind:
    """A kind of fake, ``kind: …`` in a rule.

    Attributes:
        description: A phrase for docs/scrub.md.
        make: The fake, as an expression of the old value as text.
        matches: A condition that is true for such fakes only; the proof applies it to each row.
        longest: Characters of the longest fake; None if it is as long as the old value.
        distinct: True if different values become different fakes, so a unique index is kept.
        types: Types of columns that can store it; ``text`` stands for all types of text, and
            ``timestamp`` for the type with time zone too.
    """

    description: str
    make: Expression
    matches: Expression
    longest: int | None
    distinct: bool
    types: frozenset[str] = frozenset({"text"})


def digest(value: Composable) -> Composable:
    """Return the keyed SHA-256 of a text; the salt has a fixed length, so it is just prepended."""
    return SQL("sha256(convert_to({salt} || {value}, 'UTF8'))").format(salt=_SALT, value=value)


def digits(value: Composable, count: int) -> Composable:
    """Return the first ``count`` hexadecimal digits of the digest of a text."""
    return SQL("left(encode({digest}, 'hex'), {count})").format(
        digest=digest(value), count=Literal(count)
    )


def _choice(value: Composable, purpose: int, choices: int) -> Composable:
    """Return a number below ``choices``.

    Each purpose (1 to 9 are in use) leads to another choice for the same value. Kinds that share
    one choose the same, so that ``person`` begins with the ``first-name`` of an equal value.
    """
    return SQL("mod(hashtextextended({salt} || {value}, {purpose}) & {mask}, {choices})").format(
        salt=_SALT,
        value=value,
        purpose=Literal(purpose),
        mask=Literal(_HIGHEST_BIGINT),
        choices=Literal(choices),
    )


def _word(value: Composable, purpose: int, choices: tuple[str, ...]) -> Composable:
    return SQL("({words}::text[])[1 + {choice}]").format(
        words=Literal(list(choices)), choice=_choice(value, purpose, len(choices))
    )


def _any_of(value: Composable, choices: tuple[str, ...]) -> Composable:
    return SQL("{} = ANY ({}::text[])").format(value, Literal(list(choices)))


def _pair(
    description: str, purpose: int, first: tuple[str, ...], second: tuple[str, ...]
) -> FakeKind:
    """Define a kind of two words, of which only the second may contain spaces."""

    def make(value: Composable) -> Composable:
        return SQL("({} || ' ' || {})").format(
            _word(value, purpose, first), _word(value, purpose + 1, second)
        )

    def matches(value: Composable) -> Composable:
        start = SQL("split_part({}, ' ', 1)").format(value)
        rest = SQL("substr({0}, 2 + length(split_part({0}, ' ', 1)))").format(value)
        return SQL("({} AND {})").format(_any_of(start, first), _any_of(rest, second))

    longest = 1 + max(map(len, first)) + max(map(len, second))
    return FakeKind(description, make, matches, longest, distinct=False)


def _word_of(description: str, purpose: int, choices: tuple[str, ...]) -> FakeKind:
    """Define a kind of one word from a list."""
    return FakeKind(
        description,
        lambda value: _word(value, purpose, choices),
        lambda value: _any_of(value, choices),
        max(map(len, choices)),
        distinct=False,
    )


def _identifier(description: str, before: str, after: str) -> FakeKind:
    """Define a kind of digits of the digest between two fixed texts."""
    pattern = f"^{before}[0-9a-f]{{{_DIGITS}}}{after}$".replace(".", r"\.")
    return FakeKind(
        description,
        lambda value: SQL("({} || {} || {})").format(
            Literal(before), digits(value, _DIGITS), Literal(after)
        ),
        lambda value: SQL("{} ~ {}").format(value, Literal(pattern)),
        len(before) + _DIGITS + len(after),
        distinct=True,
    )


def _phone() -> FakeKind:
    return FakeKind(
        "a number in E.164 from the ranges that are reserved for fiction",
        lambda value: SQL("({} || lpad({}::text, 2, '0'))").format(
            _word(value, 7, _PHONES), _choice(value, 8, 100)
        ),
        lambda value: SQL("({} AND {} ~ '[0-9]{{2}}$')").format(
            _any_of(SQL("left({0}, -2)").format(value), _PHONES), value
        ),
        2 + max(map(len, _PHONES)),
        distinct=False,
    )


def _text() -> FakeKind:
    def filler(value: Composable) -> Composable:
        return SQL("left(repeat({filler}, 1 + length({value}) / {size}), length({value}))").format(
            filler=Literal(_FILLER), size=Literal(len(_FILLER)), value=value
        )

    return FakeKind(
        "filler text of the same length",
        filler,
        lambda value: SQL("{} = {}").format(value, filler(value)),
        None,
        distinct=False,
    )


def _ip() -> FakeKind:
    return FakeKind(
        "an address from the network for documentation, 203.0.113.0/24",
        lambda value: SQL("('203.0.113.' || {}::text)").format(_choice(value, 9, 256)),
        lambda value: SQL(r"{} ~ '^203\.0\.113\.[0-9]{{1,3}}(/32)?$'").format(value),
        len("203.0.113.255"),
        distinct=False,
        types=frozenset({"text", "inet"}),
    )


def _uuid() -> FakeKind:
    # Version 8 (RFC 9562, section 5.8) is for custom schemes, so fakes can be recognized.
    def make(value: Composable) -> Composable:
        return SQL(
            "overlay(overlay({} PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid::text"
        ).format(digits(value, 32))

    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$"
    return FakeKind(
        "a UUID of version 8",
        make,
        lambda value: SQL("{} ~ {}").format(value, Literal(pattern)),
        36,
        distinct=True,
        types=frozenset({"text", "uuid"}),
    )


def _year() -> FakeKind:
    return FakeKind(
        "the first day of its year, for a date or a time",
        lambda value: SQL("date_trunc('year', {}::timestamp)::text").format(value),
        lambda value: SQL("extract(doy FROM {}::timestamp) = 1").format(value),
        None,
        distinct=False,
        types=frozenset({"date", "timestamp"}),
    )


FAKE_KINDS = {
    "email": _identifier("an address at example.com", "user-", "@example.com"),
    "username": _identifier("`user-` and digits", "user-", ""),
    "url": _identifier("a path below https://example.com/", "https://example.com/", ""),
    "uuid": _uuid(),
    "person": _pair("first and last name", 1, words.FIRST_NAMES, words.LAST_NAMES),
    "first-name": _word_of("a first name", 1, words.FIRST_NAMES),
    "last-name": _word_of("a last name", 2, words.LAST_NAMES),
    "company": _pair("a company's name", 3, words.COMPANY_FIRST, words.COMPANY_SECOND),
    "address": _pair(
        "number and street", 5, tuple(str(number) for number in range(1, 200)), _STREETS
    ),
    "phone": _phone(),
    "ip": _ip(),
    "text": _text(),
    "year": _year(),
}
"""The registry of kinds, by their names in rules."""
