"""Owners of files by CODEOWNERS, in which the last pattern that matches decides."""

from __future__ import annotations

import re

LOCATIONS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks for the file, in this order."""

_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")


def without_owner(text: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the paths that no line gives an owner."""
    patterns = [(_pattern(words[0]), words[1:]) for words in _lines(text)]
    return tuple(path for path in paths if not _owners(patterns, path))


def _lines(text: str) -> list[list[str]]:
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [words for words in lines if words]


def _owners(patterns: list[tuple[re.Pattern[str], list[str]]], path: str) -> list[str]:
    """Return the owners; a later line without one takes the files out again."""
    matching = [owners for pattern, owners in patterns if pattern.fullmatch(path)]
    return matching[-1] if matching else []


def _pattern(written: str) -> re.Pattern[str]:
    """Return the expression for whole paths; a pattern with an inner slash begins at the root."""
    anchored = "/" in written.rstrip("/")
    body = "".join(_WILDCARDS.get(part, re.escape(part)) for part in _PARTS.findall(written))
    body = body.removeprefix("/").removesuffix("/")
    # `docs/*` is the folder's own files, `docs` and `docs/` everything below.
    below = "" if written.endswith("*") and anchored else "(?:/.*)?"
    below = "/.*" if written.endswith("/") else below
    return re.compile(f"{'' if anchored else '(?:.*/)?'}{body}{below}")
