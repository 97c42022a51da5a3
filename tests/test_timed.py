"""What ``make test`` prints around each of its parts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.timed import main
from tests.waiting import HANGS


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


# Ctrl-C comes while the part is started: it has ended before anything waits for it.
AT_THE_START = """
import subprocess, sys, time
from tests import timed

start = subprocess.Popen

def started(command):
    process = start(command)
    while process.poll() is None:
        time.sleep(0.01)
    return process

subprocess.Popen = started
sys.exit(timed.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("program", [["-m", "tests.timed"], ["-c", AT_THE_START]])
def test_ctrl_c_waits_for_the_part_to_clean_up(tmp_path: Path, program: list[str]) -> None:
    cleaned = tmp_path / "cleaned"
    part = (
        "import pathlib, sys, time\n"
        "try:\n    print('runs', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(1)\n    pathlib.Path(sys.argv[1]).touch()\n    sys.exit(130)\n"
    )
    command = [sys.executable, "-c", part, str(cleaned)]
    part_of = ["units", "a second", "--"]
    timed = subprocess.Popen(
        # Who runs the tests in the background has them ignore Ctrl-C, and so would these.
        ["env", "--default-signal=INT", sys.executable, *program, *part_of, *command],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert timed.stdout is not None
    while timed.stdout.readline() != b"runs\n":
        assert timed.poll() is None
    os.killpg(timed.pid, signal.SIGINT)
    assert timed.wait(HANGS) == 130
    assert cleaned.exists()


def test_ctrl_c_is_for_who_calls_again_once_the_part_has_ended() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert main(["units", "a second", "--", sys.executable, "-c", ""]) == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_a_part_of_a_run_that_ignores_ctrl_c_ignores_it_too() -> None:
    part = "import signal; raise SystemExit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    program = [sys.executable, "-m", "tests.timed", "units", "a second", "--"]
    ran = subprocess.run(
        ["env", "--ignore-signal=INT", *program, sys.executable, "-c", part],
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert ran.returncode == 1
