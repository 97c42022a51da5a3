"""The error that is shown to people: what failed, why, and what to do."""

from __future__ import annotations


class SandboxError(Exception):
    """A failure with its remedy.

    Attributes:
        what: Name of the thing that failed ("port 127.0.0.1:8080").
        why: Cause: the state that was found, and the expected one.
        remedy: Instruction to the reader.
    """

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}\n  What to do: {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
