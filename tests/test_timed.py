"""What ``make test`` prints around each of its parts."""

from __future__ import annotations

import re
import sys

import pytest

from tests.timed import main


def test_a_part_is_announced_before_it_runs_and_timed_after(
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, "-c", "print('the part itself')"]
    assert main(["1 of 2: units", "3 minutes", "--", *command]) == 0
    first, second, third = capfd.readouterr().out.splitlines()
    assert first == "==> 1 of 2: units (usually 3 minutes)"
    assert second == "the part itself"
    assert re.fullmatch(r"<== 1 of 2: units: passed after \d+ s", third)


def test_the_exit_code_of_a_part_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["units", "a second", "--", sys.executable, "-c", "raise SystemExit(7)"]) == 7
    assert "failed with exit code 7" in capfd.readouterr().out


def test_a_part_that_a_signal_ended_fails(capfd: pytest.CaptureFixture[str]) -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert main(["units", "a second", "--", sys.executable, "-c", script]) == 137
