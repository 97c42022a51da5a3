from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previews.diagnosis.redaction import redact

SECRET = "s3cr3t-Value_9"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://app:{SECRET}@db.internal:5432/service",
        f"redis://:{SECRET}@cache/0",
        f"password={SECRET}",
        f"PGPASSWORD={SECRET} psql",
        f"DATABASE_PASSWORD: {SECRET}",
        f'{{"master_password": "{SECRET}"}}',
        f"client_secret => '{SECRET}'",
        f"X-Api-Key: {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"curl -H 'authorization: basic {SECRET}'",
        f"session_token={SECRET}&other=1",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        f"aws_secret_access_key = {SECRET}",
        f"Cookie: {SECRET}",
    ],
)
def test_a_secret_is_taken_out_by_where_it_stands(text: str) -> None:
    assert SECRET not in redact(text)


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "ghs_" + "a1" * 18,
        "github_pat_" + "a1" * 20,
        "pul-" + "0123456789abcdef" * 2,
        "xoxb-1234567890-abcdef",
        "sk_live_" + "a1" * 12,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-def_123",
    ],
)
def test_a_secret_is_taken_out_by_its_form(secret: str) -> None:
    assert secret not in redact(f"it said {secret} and ended")


@pytest.mark.parametrize(
    "text",
    [
        'relation "nowhere" does not exist',
        "password authentication failed for user app",
        "Back-off restarting failed container=service pod=pr-42/service-7f7bd59f87-mgr22",
        "migrate: 1/1 applied 0003 (Add tokens)",
        "http://pr-42.preview.example.com/health",
        "GET /customers?limit=5 200",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(alphabet="abcdefgh0123", min_size=6, max_size=30), st.text(), st.text())
def test_a_known_secret_is_taken_out_wherever_it_stands(secret: str, a: str, b: str) -> None:
    assert secret not in redact(f"{a}{secret}{b}", [secret])


def test_each_known_secret_is_taken_out_the_longest_first() -> None:
    known = ["abcdef", "abcdefgh", "short", "123456"]
    assert redact("abcdefgh abcdef short 123456 12345", known) == "*** *** short *** 12345"


def test_what_stands_before_a_secret_stays() -> None:
    assert redact("postgresql://app:hunter22@db/x") == "postgresql://app:***@db/x"
    assert redact("password=hunter22 token: abc") == "password=*** token: ***"
    assert redact("Bearer abcdef and Bearer abcde") == "Bearer *** and Bearer abcde"


def test_a_known_secret_too_short_to_be_one_would_blank_everything() -> None:
    assert redact("a table", ["", "a"]) == "a table"


@given(st.text(max_size=300))
def test_it_takes_any_text_and_changes_nothing_the_second_time(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def test_the_longest_of_secrets_that_are_parts_of_each_other_goes_first() -> None:
    assert redact("abcdef-ghijkl", ["abcdef", "ghijkl", "abcdef-ghijkl"]) == "***"


def test_a_value_whose_quote_was_cut_is_taken_out_to_the_end_of_its_line() -> None:
    assert redact('{"password": "s3cr3t and mo\nnext') == '{"password": ***\nnext'


def test_a_line_that_nobody_could_read_is_cut_before_the_word_that_would_be_halved() -> None:
    line = f"{'word ' * 13_106}{SECRET}{SECRET}{SECRET}"
    assert redact(f"{line}\nnext") == f"{('word ' * 13_106).strip()} …\nnext"


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "a-",
        "token",
        "token.",
        "token ",
        "token=",
        'token="',
        "token='\\",
        'token="\\\n',
        "password: ",
        " ",
        "\n",
        "a://b:",
        "://:",
        "a://b:c@",
        "bearer ",
        "eyJaaaaaaaa-",
        "eyJaaaaaaaa.",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY----------END ",
        "gho_",
        "xoxb-",
        "sk_live_",
    ],
)
def test_it_takes_time_in_proportion_to_the_text_whatever_that_is(piece: str) -> None:
    """A minute went by for 16 KiB of `a.`, which the tests of any pull request can print."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    # A quarter of a second is beyond any noise, and far below what was: then the ratio counts.
    long = seconds(64 * 1024)
    assert long < 0.25 or long < 8 * seconds(16 * 1024)


# As it was when each expression could begin anywhere: slow, and what it hides stays hidden.
_FORMER = (
    re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s@]+(?=@)", re.IGNORECASE),
    re.compile(
        r"(?P<before>\b(?:[\w.-]*(?:passw(?:or)?d|secret|token|api[_-]?key|cookie)[\w.-]*)"
        r"[\"']?\s*(?:=>|=|:)\s*)"
        r"(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[^\s,;&)\]}\"']+)",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<before>)\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"),
)
_PIECES = st.sampled_from(
    [
        *("token", "X-Api-Key", "my.password", "cookie", "name", "a", "é", "-", ".", "_"),
        *("=", ":", "=>", " ", "\n", '"', "'", "\\", ",", "}", "@", "/", "://", "https://u:", "@h"),
        *("eyJaaaaaaaa", ".eyJbbbbbbbb", ".sign", SECRET, f'"{SECRET}"', f"={SECRET}"),
    ]
)


@settings(max_examples=1000)
@given(st.lists(_PIECES, max_size=14).map("".join))
def test_nothing_is_shown_that_was_hidden_before(text: str) -> None:
    former = text
    for pattern in _FORMER:
        former = pattern.sub(r"\g<before>***", former)
    if SECRET not in former:
        assert SECRET not in redact(text)


@given(st.lists(_PIECES, max_size=10).map("".join), st.sampled_from(["", "\n", " ", "; ", "x-"]))
def test_a_named_secret_is_taken_out_whatever_stands_before(before: str, between: str) -> None:
    before = before.replace(SECRET, "").replace('"', "").replace("'", "")
    assert SECRET not in redact(f"{before}{between}token={SECRET}")
