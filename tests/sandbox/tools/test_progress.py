"""Bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sandbox.tools import progress
from sandbox.tools.progress import Bars, Lines, display


def _show(console: Console) -> None:
    with display(console) as shown:
        report = shown.report("kubernetes 1")
        report.step("compiling kubernetes", total=3)
        report.advance()
        report.advance()
        report.say("waiting for process 7, which makes it")
        report.done("built")


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: 83.0)
    output = io.StringIO()
    console = Console(file=output, width=200)
    assert isinstance(display(console), Lines)
    _show(console)
    assert output.getvalue().splitlines() == [
        "kubernetes 1: compiling kubernetes (3)",
        "kubernetes 1: compiling kubernetes: 1 of 3 after 0:00 min",
        "kubernetes 1: compiling kubernetes: 2 of 3 after 0:00 min",
        "kubernetes 1: waiting for process 7, which makes it",
        "kubernetes 1: built after 0:00 min",
    ]


def test_lines_are_not_one_for_each_package() -> None:
    output = io.StringIO()
    _show(Console(file=output, width=200))
    assert "1 of 3" not in output.getvalue()


def test_a_terminal_gets_bars_with_counts_and_times() -> None:
    output = io.StringIO()
    console = Console(file=output, width=160, force_terminal=True, color_system=None)
    assert isinstance(display(console), Bars)
    _show(console)
    text = output.getvalue()
    assert "kubernetes 1" in text
    assert "built" in text
    assert "0:00:00" in text
    assert "waiting for process 7" in text
