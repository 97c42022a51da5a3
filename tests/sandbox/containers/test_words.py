from __future__ import annotations

import pytest

from sandbox.containers.words import expand, split_words

VARIABLES = {"NAME": "value", "EMPTY": "", "TWO": "two words"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", "plain"),
        ("$NAME", "value"),
        ("a${NAME}b", "avalueb"),
        ("$NAME_X", ""),
        ("$UNSET", ""),
        ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${NAME:-default}", "value"),
        ("${UNSET:-${NAME}}", "value"),
        ("${NAME:+set}", "set"),
        ("${UNSET:+set}", ""),
        ("${EMPTY+set}", "set"),
        ('"$TWO"', "two words"),
        ("'$NAME'", "$NAME"),
        (r"\$NAME", "$NAME"),
        (r'"a\"b"', 'a"b'),
        (r'"a\nb"', r"a\nb"),
        ("cost$", "cost$"),
        ("a'b'\"c\"", "abc"),
    ],
)
def test_expand(word: str, expected: str) -> None:
    assert expand(word, VARIABLES) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${NAME", "not closed"),
        ("${NAME#v}", "no expansion"),
        ("${UNSET:?give it}", "UNSET: give it"),
    ],
)
def test_an_expansion_that_is_not_known_is_refused(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(word, VARIABLES)


def test_words_are_split_outside_quotes() -> None:
    assert split_words(r"""a="b c" 'd e' f\ g  h""") == ['a="b c"', "'d e'", r"f\ g", "h"]
    with pytest.raises(ValueError, match="not closed"):
        split_words('a "b')
