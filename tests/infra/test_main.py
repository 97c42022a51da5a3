"""The program's file, as Pulumi runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The engine ends the program by SIGINT once a resource has failed, while it waits for the others.
_INTERRUPTED = """
import os, runpy, signal, time
import infra.stacks
infra.stacks.main = lambda: os.kill(os.getpid(), signal.SIGINT) or time.sleep(30)
runpy.run_path("infra/__main__.py", run_name="__main__")
"""


def test_an_interrupted_program_prints_no_traceback_over_the_failure() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False, capture_output=True,
        text=True, timeout=60,
        # A shell starts what is in the background with SIGINT ignored, pytest included.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
