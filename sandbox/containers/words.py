"""Words of a Dockerfile: quotes, escapes and variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NAME = re.compile(r"[A-Za-z_]\w*")
_BRACED = re.compile(r"(?P<name>[A-Za-z_]\w*)((?P<operator>:?[-+?])(?P<word>.*))?", re.DOTALL)
_BLANK: Final = " \t\n"


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split at blanks outside quotes; ``expand`` removes quotes and escapes.

    Raises:
        ValueError: A quote is not closed.
    """
    words, word, quote = [], "", ""
    position = 0
    while position < len(text):
        character = text[position]
        if character == escape and quote != "'":
            word += text[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if character == quote else quote
            word += character
        elif character in "'\"":
            quote = character
            word += character
        elif character in _BLANK:
            words += [word] if word else []
            word = ""
        else:
            word += character
        position += 1
    if quote:
        msg = f"a {quote} is not closed"
        raise ValueError(msg)
    return [*words, word] if word else words


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Replace variables, and remove quotes and escapes, as in ENV or COPY.

    Raises:
        ValueError: An expansion is not supported or not closed, or ``${name:?why}`` fails.
    """
    return _Expansion(word, variables, escape).run()


class _Expansion:
    def __init__(self, word: str, variables: Mapping[str, str], escape: str) -> None:
        self._word = word
        self._variables = variables
        self._escape = escape
        self._position = 0

    def run(self) -> str:
        result, quote = "", ""
        while self._position < len(self._word):
            character = self._word[self._position]
            self._position += 1
            if quote == "'":
                quote, result = ("", result) if character == "'" else (quote, result + character)
            elif character == quote:
                quote = ""
            elif character in "'\"" and not quote:
                quote = character
            elif character == self._escape and self._position < len(self._word):
                result += self._escaped(quoted=bool(quote))
            elif character == "$":
                result += self._variable()
            else:
                result += character
        return result

    def _escaped(self, *, quoted: bool) -> str:
        character = self._word[self._position]
        self._position += 1
        if quoted and character not in f'"${self._escape}':
            return self._escape + character
        return character

    def _variable(self) -> str:
        if self._word.startswith("{", self._position):
            return self._braced()
        match = _NAME.match(self._word, self._position)
        if match is None:
            return "$"
        self._position = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        inner = self._until_closed()
        match = _BRACED.fullmatch(inner)
        if match is None:
            msg = f"${{{inner}}} is not a supported expansion; use ${{name}}, :-, :+ or :?"
            raise ValueError(msg)
        name, operator = match["name"], match["operator"] or ""
        value = self._variables.get(name, "")
        is_set = bool(value) if operator.startswith(":") else name in self._variables
        if not operator:
            return value
        word = expand(match["word"], self._variables, self._escape)
        match operator[-1]:
            case "-":
                return value if is_set else word
            case "+":
                return word if is_set else ""
            case _ if not is_set:
                msg = f"{name}: {word or 'is not set'}"
                raise ValueError(msg)
            case _:
                return value

    def _until_closed(self) -> str:
        start, depth = self._position + 1, 0
        for position in range(self._position, len(self._word)):
            depth += {"{": 1, "}": -1}.get(self._word[position], 0)
            if depth == 0:
                self._position = position + 1
                return self._word[start:position]
        msg = f"${self._word[self._position :]} is not closed"
        raise ValueError(msg)
