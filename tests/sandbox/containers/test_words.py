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
        ("${UNSET-default}", "default"),
        ("${NAME-default}", "value"),
        ("${EMPTY:+set}", ""),
        ("${UNSET+set}", ""),
        ("${NAME:?why}", "value"),
        ("${EMPTY?why}", ""),
        ("${EMPTY}${UNSET}", ""),
        ("${UNSET:-a${UNSET:-{b}}c}d", "a{b}cd"),
        ("${UNSET:-a\nb}", "a\nb"),
        ("$NAME$TWO-x", "valuetwo words-x"),
        ("$1 $", "$1 $"),
        ("'a\"b'", 'a"b'),
        ('"a\'b"', "a'b"),
        (r"'a\b'", r"a\b"),
        (r'"\$NAME \\ \b"', r"$NAME \ \b"),
        (r"\a\'b", "a'b"),
        ("a\\", "a\\"),
    ],
)
def test_expand(word: str, expected: str) -> None:
    assert expand(word, VARIABLES) == expected


def test_another_escape_character_leaves_the_usual_one_alone() -> None:
    assert expand(r"a\b`$NAME", VARIABLES, "`") == r"a\b$NAME"
    assert expand(r'"`` `n"', VARIABLES, "`") == "` `n"
    assert expand("${UNSET:-`$}", VARIABLES, "`") == "$"
    assert split_words("a` b c\\ d", "`") == ["a` b", "c\\", "d"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${NAME", "not closed"),
        ("${NAME#v}", "not a supported expansion"),
        ("${UNSET:?give it}", "UNSET: give it"),
        ("${EMPTY:?}", "EMPTY: is not set"),
        ("${UNSET?$NAME}", "UNSET: value"),
        ("${NAME:=v}", "not a supported expansion"),
        ("a${UNSET:-{}", r"\$\{UNSET:-\{\} is not closed"),
    ],
)
def test_an_expansion_that_is_not_known_is_refused(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(word, VARIABLES)


def test_words_are_split_outside_quotes() -> None:
    assert split_words(r"""a="b c" 'd e' f\ g  h""") == ['a="b c"', "'d e'", r"f\ g", "h"]
    assert split_words("\ta\n\nb ") == ["a", "b"]
    assert split_words("") == []
    assert split_words("a\\ ") == ["a\\ "]
    assert split_words(r"""'a\' b "c\" 'd" e\\""") == [r"'a\'", "b", r'''"c\" 'd"''', "e\\\\"]
    assert split_words("a\\") == ["a\\"]
    for text, quote in (('a "b', '"'), ("a 'b\"", "'")):
        with pytest.raises(ValueError, match=f"a {quote} is not closed"):
            split_words(text)
