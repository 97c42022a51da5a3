"""Lines of the log of a Job: progress, and the error that Kubernetes shows as the Job's message."""

from __future__ import annotations

import sys
from collections.abc import Callable


def reporter(part: str) -> Callable[[str], None]:
    """Return a function that writes a line of progress of a part of the work."""

    def report(line: str) -> None:
        sys.stdout.write(f"{part}: {line}\n")
        sys.stdout.flush()

    return report


def report_failure(line: str) -> None:
    """Write the error to the log as one line; Kubernetes shows the last one."""
    sys.stderr.write(f"{' '.join(line.split())}\n")


def report_environment(error: Exception) -> None:
    """Write an error of the environment, which has one line for each variable."""
    sys.stderr.write(f"{error}\n")
