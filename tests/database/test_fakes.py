"""Each kind of `FAKE_KINDS`, and the texts that the proof finds whatever their column's rule."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest
from psycopg2.sql import SQL, Composable, Identifier, Literal

from database.scrub.fakes import FAKE_KINDS
from database.scrub.proofs import FORBIDDEN_TEXTS
from service.inputs import EMAIL_PATTERN, LINE_PATTERN, PHONE_PATTERN
from tests.database.conftest import Copy, fake, rules

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
DATES = ["2024-02-29", "1999-12-31"]
# Stricter than what the kind itself recognizes: the formats that the API accepts.
PATTERNS = {
    "email": EMAIL_PATTERN,
    "person": LINE_PATTERN,
    "phone": PHONE_PATTERN,
    "company": LINE_PATTERN,
    "address": r"\d+ [A-Z]\w+ Street",
    "url": r"https://example\.com/[0-9a-f]{20}",
    "ip": r"203\.0\.113\.\d{1,3}",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
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


def values_for(name: str) -> list[str]:
    return VALUES if "text" in FAKE_KINDS[name].types else DATES


@pytest.mark.parametrize("name", FAKE_KINDS)
def test_a_kind_recognizes_its_fakes_and_no_other_values(copy: Copy, name: str) -> None:
    kind, values = FAKE_KINDS[name], values_for(name)
    made = ask(copy, kind.make(Identifier("v")), values)
    assert ask(copy, kind.matches(Identifier("v")), made) == [True] * len(made)
    # An empty text is its own filler.
    others = ["Ada", "Lorem Ipsum"] if name == "text" else values
    assert not any(ask(copy, kind.matches(Identifier("v")), others))
    if kind.longest is not None:
        assert max(map(len, made)) <= kind.longest
    for one in made:
        assert re.fullmatch(PATTERNS.get(name, r"[\s\S]*"), one)


@pytest.mark.parametrize("name", FAKE_KINDS)
def test_equal_values_have_equal_fakes_and_another_salt_others(copy: Copy, name: str) -> None:
    kind, values = FAKE_KINDS[name], values_for(name)
    made = ask(copy, kind.make(Identifier("v")), values)
    assert made == ask(copy, kind.make(Identifier("v")), values)
    others = ask(copy, kind.make(Identifier("v")), values, salt="other")
    if name == "text":
        assert [len(one) for one in made] == [len(value) for value in values]
    elif name != "year":  # These two depend on the value alone.
        assert made != others
    if kind.distinct:
        assert len(set(made)) == len(set(values))


@pytest.mark.parametrize("name", FAKE_KINDS)
def test_a_rule_may_name_every_kind(name: str) -> None:
    rules(t={"c": fake(name)})


def test_every_pattern_is_of_a_kind() -> None:
    assert set(PATTERNS) <= set(FAKE_KINDS)


FOUND = {
    "an email address outside of example.com, .net and .org": [
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
    "text that looks like a token": [
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


@pytest.mark.parametrize("name", FORBIDDEN_TEXTS)
def test_what_looks_real_is_found_by_the_quick_and_the_deciding_pattern(
    copy: Copy, name: str
) -> None:
    forbidden = FORBIDDEN_TEXTS[name]
    for pattern in forbidden:
        found = ask(copy, SQL("v ~ {}").format(Literal(pattern)), FOUND[name])
        assert dict(zip(FOUND[name], found, strict=True)) == dict.fromkeys(FOUND[name], True)
    assert not any(ask(copy, SQL("v ~ {}").format(Literal(forbidden.pattern)), NOT_FOUND))
