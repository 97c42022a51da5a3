"""The error that people see: what failed, why, and what to do."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of commands, which `--help` and docs/runbook.md list."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # typer's own
    NO_ROOM = 3
    LEFT = 4
    UNREAD = 5


class PreviewsError(Exception):
    """An error with its remedy.

    Attributes:
        code: Name of the message in docs/runbook.md, always a literal in the code that raises it:
            a test collects them, so that the runbook stays complete.
        what: Name of the thing that failed ("pull request 42").
        why: The cause: found and expected values.
        remedy: Instruction for the reader.
    """

    exit_code: ClassVar[Exit] = Exit.FAILED

    def __init__(self, code: str, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}\n  What to do: {remedy}")
        self.code = code
        self.what = what
        self.why = why
        self.remedy = remedy

    def as_document(self) -> dict[str, str]:
        """Return the error as a document for scripts."""
        return {"code": self.code, "what": self.what, "why": self.why, "remedy": self.remedy}


def for_people(what: str, error: BaseException) -> PreviewsError:
    """Return an error as people can be shown it: one that nobody foresaw gets a remedy, too.

    Whoever shows it raises the error itself again, so that the log has the traceback.

    Args:
        what: Name of the thing that failed.
        error: The error.
    """
    if isinstance(error, PreviewsError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(
            "interrupted",
            what,
            why="it was asked to stop",
            remedy="run the same command again: it continues where it stopped.",
        )
    return PreviewsError(
        "unexpected",
        what,
        why=": ".join(filter(None, [type(error).__name__, str(error)])),
        remedy="read the traceback in the log of the run, and report it; running the same command"
        " again continues where it stopped.",
    )


class StoppedError(PreviewsError):
    """A request to stop, which ended an operation."""


class NotFoundError(PreviewsError):
    """A thing that does not exist on GitHub, or that the token has no access to."""
