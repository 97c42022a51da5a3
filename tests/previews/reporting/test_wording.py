"""Times, amounts and texts at the bounds between one wording and the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from previews.reporting.wording import age, cell, code, dollars, duration, moment, plain

NOON = datetime(2026, 11, 5, 12, 7, tzinfo=UTC)
HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0 s"),
        (0.6, "1 s"),
        (1, "1 s"),
        (61, "1 min 1 s"),
        (119, "1 min 59 s"),
        (120, "2 min"),
        (HOUR - 1, "59 min 59 s"),
        (HOUR + 59, "1 h"),
        (HOUR + 60, "1 h 1 min"),
        (DAY - 1, "23 h 59 min"),
        (DAY, "1 d"),
        (DAY + 60, "1 d 1 min"),
        (DAY + HOUR + 60, "1 d 1 h"),
        (400 * DAY, "400 d"),
    ],
)
def test_a_duration_has_two_units_and_none_that_is_nothing(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "units", "words"),
    [
        (185, 1, "3 min"),
        (DAY + HOUR + 61, 3, "1 d 1 h 1 min"),
        (DAY + HOUR + 61, 4, "1 d 1 h 1 min"),
    ],
)
def test_as_many_units_as_are_asked_for(seconds: float, units: int, words: str) -> None:
    assert duration(seconds, units=units) == words


def test_an_age_is_from_then_to_now() -> None:
    assert age(NOON - timedelta(minutes=90), NOON) == "1 h 30 min"
    assert age(NOON - timedelta(minutes=90), NOON, units=1) == "1 h"
    assert age(NOON + timedelta(minutes=1), NOON) == "0 s"


def test_a_moment_is_a_day_and_a_time() -> None:
    assert moment(NOON) == "5 Nov 2026, 12:07 UTC"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "$0.00"),
        ("0.0099", "below $0.01"),
        ("0.01", "$0.01"),
        ("0.02", "$0.02"),
        ("12.345", "$12.34"),
    ],
)
def test_an_amount_is_never_told_to_be_nothing_when_it_is_not(amount: str, words: str) -> None:
    assert dollars(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("text", "fence"),
    [("a", "```"), ("a `b` ``c``", "```"), ("```", "````"), ("``` `````", "``````")],
)
def test_a_fence_is_longer_than_any_in_its_text(text: str, fence: str) -> None:
    assert code(text) == f"{fence}text\n{text}\n{fence}"


def test_each_sign_of_markup_is_escaped_in_a_cell() -> None:
    for sign in r"\|`*_{}[]<>#":
        assert cell(f"a{sign}b{sign}") == f"a\\{sign}b\\{sign}"
    assert cell("a  b\n\tc") == "a b c"
    assert cell("@a @b") == "@\u200ba @\u200bb"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"a\|b \\ \`c\` \*\_\{\}\[\]\<\>\#", r"a|b \ `c` *_{}[]<>#"),
        ("`code` and @\u200bada", "code and @ada"),
        ("one<br>two<br>three", "one\ntwo\nthree"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_what_is_no_markup_is_left_of_a_cell(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_cell_says_what_its_text_said() -> None:
    text = r"\|`*_{}[]<>#@ada"
    assert plain(cell(text)) == text
