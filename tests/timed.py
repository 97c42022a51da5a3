"""``python -m tests.timed TITLE USUALLY -- COMMAND``: run one part of ``make test`` and time it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def main(arguments: list[str]) -> int:
    """Run the command between a line that announces it and a line with its duration.

    Returns:
        The command's exit code; 128 and the signal's number when a signal ended it.
    """
    title, usually, separator, *command = arguments
    assert separator == "--", __doc__
    report(f"==> {title} (usually {usually})")
    began = time.monotonic()
    with part_decides_on_ctrl_c():
        code = subprocess.Popen(command).wait()
    outcome = "passed" if code == 0 else f"failed with exit code {code}"
    report(f"<== {title}: {outcome} after {time.monotonic() - began:.0f} s")
    return code if code >= 0 else 128 - code


@contextmanager
def part_decides_on_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C, which reaches the part too, end nothing but the part, which has to clean up."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        # A handler is not passed on to the part, as SIG_IGN would be.
        signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
