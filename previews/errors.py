"""The one error that a person sees: what failed, why, and what to do."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What a command's exit code says; `--help` and docs/lifecycle.md list them."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # typer's own
    NO_ROOM = 3
    LEFT = 4


class PreviewsError(Exception):
    """A failure with its remedy.

    Attributes:
        code: Names the message in docs/runbook.md, always a literal in the code that raises it:
            a test collects them, so that the runbook stays complete.
        what: The thing that failed, by name ("pull request 42").
        why: What was found, and what was expected instead.
        remedy: What the reader can do now, as an instruction.
    """

    exit_code: ClassVar[Exit] = Exit.FAILED

    def __init__(self, code: str, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}\n  What to do: {remedy}")
        self.code = code
        self.what = what
        self.why = why
        self.remedy = remedy

    def as_document(self) -> dict[str, str]:
        """What a script reads of it."""
        return {"code": self.code, "what": self.what, "why": self.why, "remedy": self.remedy}


class NotFoundError(PreviewsError):
    """GitHub says there is no such thing, or that the token may not see it."""
