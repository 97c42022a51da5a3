"""Every failure that a person can meet, collected from the code that raises it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOM = Path(__file__).resolve().parents[2] / "previews"


def raised() -> Iterator[tuple[Path, ast.Call]]:
    """Every place where an error of the command line is made."""
    for file in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in {"FailurePattern", "Finding"}:
                # The runbook lists the first in a table of their own; the doctor shows the others.
                continue
            match node.args:
                case [ast.Attribute(value=ast.Name(id="words"), attr="code"), *_]:
                    continue  # Made from a row of a table, which has the literal.
            if {"why", "remedy"} <= {keyword.arg for keyword in node.keywords}:
                yield file, node


def codes() -> set[str]:
    """The code of every message, as docs/runbook.md must have them."""
    found = set()
    for file, call in raised():
        code = call.args[0]
        assert isinstance(code, ast.Constant), f"{file}:{call.lineno}: the code is no literal"
        assert isinstance(code.value, str), f"{file}:{call.lineno}: the code is no text"
        found.add(code.value)
    return found
