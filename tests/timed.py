"""``python -m tests.timed TITLE USUALLY -- COMMAND``: run one part of ``make test`` and time it."""

from __future__ import annotations

import subprocess
import sys
import time


def main(arguments: list[str]) -> int:
    """Run the command between a line that announces it and a line with its duration.

    Returns:
        The command's exit code; 128 and the signal's number when a signal ended it.
    """
    title, usually, separator, *command = arguments
    assert separator == "--", __doc__
    report(f"==> {title} (usually {usually})")
    began = time.monotonic()
    process = subprocess.Popen(command)
    code = wait(process)
    outcome = "passed" if code == 0 else f"failed with exit code {code}"
    report(f"<== {title}: {outcome} after {time.monotonic() - began:.0f} s")
    return code if code >= 0 else 128 - code


def wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process to end by itself: Ctrl-C reaches it, too, and it has to clean up."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
