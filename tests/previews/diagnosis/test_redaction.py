from __future__ import annotations

import pytest
from hypothesis import given
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
