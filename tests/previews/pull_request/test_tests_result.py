"""A result is an attacker's file: it is read, or it is a failure with the reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from previews.pull_request.tests_result import (
    LINES,
    WIDTH,
    AppTestsResult,
    Outcome,
    read_result,
)

GOOD: dict[str, Any] = {"outcome": "failed", "seconds": 1.5, "why": "a", "lines": ["b"]}


def refused(file: Path, content: bytes | str | dict[str, Any]) -> str:
    text = json.dumps(content) if isinstance(content, dict) else content
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    result = read_result(file)
    assert result.outcome is Outcome.FAILED
    assert result.lines == ()
    return result.why


def test_a_good_result_is_read(tmp_path: Path) -> None:
    (tmp_path / "result").write_text(json.dumps(GOOD))
    result = read_result(tmp_path / "result")
    assert result == AppTestsResult(outcome=Outcome.FAILED, seconds=1.5, why="a", lines=("b",))
    assert result.text() == "failed after 2 s: a"
    assert AppTestsResult(outcome=Outcome.PASSED, seconds=61).text() == "passed after 1 min 1 s"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"outcome": "splendid"}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": 1e9}, "seconds"),
        ({"seconds": "NaN"}, "seconds"),
        ({"why": "x" * 2001}, "why"),
        ({"why": {"a": 1}}, "why"),
        ({"lines": ["x"] * (LINES + 1)}, "lines"),
        ({"lines": "x"}, "lines"),
        ({"lines": [["x"]]}, "lines.0"),
        ({"commit": "a" * 40}, "commit"),
    ],
)
def test_what_the_model_does_not_have_is_refused(
    tmp_path: Path, changes: dict[str, Any], where: str
) -> None:
    why = refused(tmp_path / "result", {**GOOD, **changes})
    assert why.startswith(f"their result is not valid: {where}: ")


@pytest.mark.parametrize("text", ["", "[]", "nothing", "\ufeff{}", b"\xff\xfe", '{"outcome":'])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str | bytes) -> None:
    assert refused(tmp_path / "result", text).startswith("their result")


def test_a_missing_or_huge_file_is_a_failure(tmp_path: Path) -> None:
    assert read_result(tmp_path / "none").why.startswith("they left no result")
    assert refused(tmp_path / "huge", b" " * 100_000) == (
        "their result can't be read: it is larger than 64 KiB"
    )


def test_no_link_is_followed_and_no_pipe_waited_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(json.dumps({**GOOD, "outcome": "passed"}))
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        result = read_result(tmp_path / name)
        assert result.outcome is Outcome.FAILED
        assert result.why.startswith("their result can't be read: ")


def test_what_it_says_has_no_secret_and_no_control(tmp_path: Path) -> None:
    lines = [
        "\x1b]8;;https://evil.test\x07link\x1b]8;;\x07",
        "DATABASE_URL=postgresql://ada:hunter2@db/orders",
        "-----BEGIN PRIVATE KEY-----",
        "c2VjcmV0",
        "-----END PRIVATE KEY-----",
        "\u202eabc\x00\u2028",
        "x" * 5000,
    ]
    file = tmp_path / "result"
    file.write_text(json.dumps({**GOOD, "lines": lines, "why": "token=abcdefgh\nnext"}))
    result = read_result(file)
    assert result.why == "token=*** next"
    assert result.lines == (
        "link",
        "DATABASE_URL=postgresql://ada:***@db/orders",
        "***",
        "abc",
        "x" * WIDTH,
    )


def test_the_largest_result_that_is_written_is_read(tmp_path: Path) -> None:
    widest = "\N{GRINNING FACE}" * (WIDTH + 5)
    result = AppTestsResult(outcome=Outcome.FAILED, why=widest, lines=(widest,) * LINES)
    (tmp_path / "result").write_text(result.model_dump_json())
    assert read_result(tmp_path / "result") == result
