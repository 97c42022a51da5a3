from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest
from psycopg2.sql import SQL, Composable, Identifier, Literal

from database.scrub import fakes
from database.scrub.proofs import SHAPES
from database.scrub.rules import Kind
from service.inputs import EMAIL_PATTERN, LINE_PATTERN, PHONE_PATTERN
from tests.database.conftest import Copy

VALUES = [
    "",
    " ",
    "Ada Lovelace",
    "ada@lovelace.test",
    "+49 30 23125 000",
    "%s {} '\"\\",
    "日本語のテキスト",
    "x" * 1000,
    *(f"value {number}" for number in range(200)),
]
OF_DATES = ["2024-02-29", "1999-12-31"]
PATTERNS = {
    Kind.EMAIL: EMAIL_PATTERN,
    Kind.PERSON: LINE_PATTERN,
    Kind.PHONE: PHONE_PATTERN,
    Kind.COMPANY: LINE_PATTERN,
    Kind.ADDRESS: r"\d+ [A-Z]\w+ Street",
    Kind.URL: r"https://example\.com/[0-9a-f]{20}",
    Kind.IP: r"203\.0\.113\.\d{1,3}",
    Kind.UUID: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


def ask(copy: Copy, expression: Composable, values: list[str], salt: str = "salt") -> list[Any]:
    """The expression's value for each text."""
    with closing(copy.connect()) as opened, opened, opened.cursor() as cursor:
        cursor.execute("SELECT set_config('scrub.salt', %s, true)", (salt,))
        query = SQL("SELECT {} FROM unnest({}) WITH ORDINALITY AS u (v, n) ORDER BY n").format(
            expression, Literal(values)
        )
        cursor.execute(query)
        return [value for (value,) in cursor.fetchall()]


def values_for(kind: Kind) -> list[str]:
    return OF_DATES if kind is Kind.YEAR else VALUES


@pytest.mark.parametrize("kind", Kind)
def test_a_fake_is_known_by_its_form_and_what_it_replaces_is_not(copy: Copy, kind: Kind) -> None:
    form, values = fakes.form(kind), values_for(kind)
    made = ask(copy, form.make(Identifier("v")), values)
    assert ask(copy, form.holds(Identifier("v")), made) == [True] * len(made)
    if kind not in {Kind.YEAR, Kind.TEXT}:
        assert not any(ask(copy, form.holds(Identifier("v")), values))
    elif kind is Kind.TEXT:
        assert ask(copy, form.holds(Identifier("v")), ["Ada", "Lorem Ipsum"]) == [False, False]
    else:
        assert ask(copy, form.holds(Identifier("v")), values) == [False, False]
    if form.longest is not None:
        assert max(map(len, made)) <= form.longest
    for one in made:
        assert re.fullmatch(PATTERNS.get(kind, r"[\s\S]*"), one)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.YEAR])
def test_equal_values_have_equal_fakes_and_another_salt_others(copy: Copy, kind: Kind) -> None:
    form = fakes.form(kind)
    made = ask(copy, form.make(Identifier("v")), VALUES)
    assert made == ask(copy, form.make(Identifier("v")), VALUES)
    others = ask(copy, form.make(Identifier("v")), VALUES, salt="other")
    if kind is Kind.TEXT:
        assert [len(one) for one in made] == [len(value) for value in VALUES]
    else:
        assert made != others
    if form.distinct:
        assert len(set(made)) == len(set(VALUES))


FOUND = {
    "an address outside of example.com, .net and .org": [
        "ada@lovelace.dev",
        "Mail to <ada@example.com.evil.io>",
        "ada@example.community",
        "ada@sub.example.com",
        "ada@müller.de",
        '{"email": "ada@b.co"}',
    ],
    "a phone number outside of the fictional ranges": [
        "+493023125000",
        "+49 30 23125-000",
        "call +1 (202) 555 9999 now",
        "+4477009001234",
    ],
    "what looks like a token": [
        "gh" + "p_" + "a" * 36,
        "github" + "_pat_" + "A1" * 11,
        "xox" + "b-123456789012-abcdef",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "Authorization: Bearer " + "abcdefghijklmnopqrstuvwxyz",
        "$2b$12$" + "abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=65536",
        "sk_live_" + "0123456789abcdef",
        "glpat-" + "0123456789abcdef0123",
        "ya29." + "0123456789abcdef0123",
        "SG." + "0123456789abcdef0123",
        "npm_" + "0123456789abcdef0123",
        "pypi-AgE" + "0123456789abcdef0123",
        "AIza" + "0123456789abcdef0123",
    ],
}
NOT_FOUND = [
    "user-0123456789abcdef0123@example.com",
    "ada@example.net, bob@example.org.",
    "+447700900123 and +33199001234",
    "1+1=2, at 5 @ night, snake_case and $2",
    "2024-01-01 00:00:00+00",
    "eyJ",
    "",
]


@pytest.mark.parametrize("what", SHAPES)
def test_what_looks_real_is_found_by_the_quick_and_the_deciding_pattern(
    copy: Copy, what: str
) -> None:
    shape = SHAPES[what]
    for pattern in shape:
        found = ask(copy, SQL("v ~ {}").format(Literal(pattern)), FOUND[what])
        assert dict(zip(FOUND[what], found, strict=True)) == dict.fromkeys(FOUND[what], True)
    assert not any(ask(copy, SQL("v ~ {}").format(Literal(shape.pattern)), NOT_FOUND))
