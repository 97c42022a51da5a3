"""Fakes as SQL expressions of the value that they replace.

Each is a function of the old value and of the scrub's secret salt, which lies in the setting
``scrub.salt`` and in no statement's text. So equal values become equal fakes in every table,
and without the salt, which is thrown away, nobody can try out values.

What tells values apart is cut from SHA-256. What is chosen from a list takes PostgreSQL's
own 64-bit hash, which is quicker; a list is too short to lead back to anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Composable, Literal

from database.scrub.rules import Kind
from service.seed import words

if TYPE_CHECKING:
    from collections.abc import Callable

_SALT = SQL("current_setting('scrub.salt')")
# 80 bits: a million values meet by accident once in 10^12 scrubs.
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
class Form:
    """What a kind of fake is made of.

    Attributes:
        make: The fake, as an expression of the old value as text.
        holds: Whether a value is such a fake, as a condition; the proof asks it of every row.
        longest: Characters of the longest fake; None where it is as long as the old value.
        distinct: Whether different values become different fakes.
        types: The types of column that can hold it; ``text`` stands for all that hold text.
    """

    make: Callable[[Composable], Composable]
    holds: Callable[[Composable], Composable]
    longest: int | None
    distinct: bool
    types: frozenset[str] = frozenset({"text"})


def digest(value: Composable) -> Composable:
    """The keyed SHA-256 of a text. The salt has one length, so it needs no further frame."""
    return SQL("sha256(convert_to({salt} || {value}, 'UTF8'))").format(salt=_SALT, value=value)


def digits(value: Composable, count: int) -> Composable:
    """``count`` hexadecimal digits that stand for a text."""
    return SQL("left(encode({digest}, 'hex'), {count})").format(
        digest=digest(value), count=Literal(count)
    )


def form(kind: Kind) -> Form:
    """How fakes of a kind are made and recognised."""
    return _FORMS[kind]


def _choice(value: Composable, purpose: int, choices: int) -> Composable:
    """A number below ``choices``, another one for each purpose."""
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


def _two_words(
    purpose: int, first: tuple[str, ...], second: tuple[str, ...]
) -> tuple[Callable[[Composable], Composable], Callable[[Composable], Composable]]:
    def make(value: Composable) -> Composable:
        return SQL("({} || ' ' || {})").format(
            _word(value, purpose, first), _word(value, purpose + 1, second)
        )

    def holds(value: Composable) -> Composable:
        start = SQL("split_part({}, ' ', 1)").format(value)
        rest = SQL("substr({0}, 2 + length(split_part({0}, ' ', 1)))").format(value)
        return SQL("({} AND {})").format(_any_of(start, first), _any_of(rest, second))

    return make, holds


def _pair(purpose: int, first: tuple[str, ...], second: tuple[str, ...]) -> Form:
    make, holds = _two_words(purpose, first, second)
    return Form(make, holds, 1 + max(map(len, first)) + max(map(len, second)), distinct=False)


def _single(purpose: int, choices: tuple[str, ...]) -> Form:
    return Form(
        lambda value: _word(value, purpose, choices),
        lambda value: _any_of(value, choices),
        max(map(len, choices)),
        distinct=False,
    )


def _identifier(before: str, after: str) -> Form:
    """Digits of the digest between two texts."""
    pattern = f"^{before}[0-9a-f]{{{_DIGITS}}}{after}$".replace(".", r"\.")
    return Form(
        lambda value: SQL("({} || {} || {})").format(
            Literal(before), digits(value, _DIGITS), Literal(after)
        ),
        lambda value: SQL("{} ~ {}").format(value, Literal(pattern)),
        len(before) + _DIGITS + len(after),
        distinct=True,
    )


def _phone() -> Form:
    return Form(
        lambda value: SQL("({} || lpad({}::text, 2, '0'))").format(
            _word(value, 7, _PHONES), _choice(value, 8, 100)
        ),
        lambda value: SQL("({} AND {} ~ '[0-9]{{2}}$')").format(
            _any_of(SQL("left({0}, -2)").format(value), _PHONES), value
        ),
        2 + max(map(len, _PHONES)),
        distinct=False,
    )


def _text() -> Form:
    def filler(value: Composable) -> Composable:
        return SQL("left(repeat({filler}, 1 + length({value}) / {size}), length({value}))").format(
            filler=Literal(_FILLER), size=Literal(len(_FILLER)), value=value
        )

    return Form(
        filler, lambda value: SQL("{} = {}").format(value, filler(value)), None, distinct=False
    )


def _ip() -> Form:
    return Form(
        lambda value: SQL("('203.0.113.' || {}::text)").format(_choice(value, 9, 256)),
        lambda value: SQL(r"{} ~ '^203\.0\.113\.[0-9]{{1,3}}(/32)?$'").format(value),
        len("203.0.113.255"),
        distinct=False,
        types=frozenset({"text", "inet"}),
    )


def _uuid() -> Form:
    # Version 8 (RFC 9562, section 5.8): an own one, and so known by its form.
    def make(value: Composable) -> Composable:
        return SQL(
            "overlay(overlay({} PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid::text"
        ).format(digits(value, 32))

    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$"
    return Form(
        make,
        lambda value: SQL("{} ~ {}").format(value, Literal(pattern)),
        36,
        distinct=True,
        types=frozenset({"text", "uuid"}),
    )


def _year() -> Form:
    return Form(
        lambda value: SQL("date_trunc('year', {}::timestamp)::text").format(value),
        lambda value: SQL("extract(doy FROM {}::timestamp) = 1").format(value),
        None,
        distinct=False,
        types=frozenset({"date", "timestamp"}),
    )


_FORMS = {
    Kind.EMAIL: _identifier("user-", "@example.com"),
    Kind.PERSON: _pair(1, words.FIRST_NAMES, words.LAST_NAMES),
    Kind.FIRST_NAME: _single(1, words.FIRST_NAMES),
    Kind.LAST_NAME: _single(2, words.LAST_NAMES),
    Kind.COMPANY: _pair(3, words.COMPANY_FIRST, words.COMPANY_SECOND),
    Kind.ADDRESS: _pair(5, tuple(str(number) for number in range(1, 200)), _STREETS),
    Kind.PHONE: _phone(),
    Kind.TEXT: _text(),
    Kind.USERNAME: _identifier("user-", ""),
    Kind.URL: _identifier("https://example.com/", ""),
    Kind.IP: _ip(),
    Kind.UUID: _uuid(),
    Kind.YEAR: _year(),
}
