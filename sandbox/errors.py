"""The one error that a person sees: what failed, why, and what to do."""

from __future__ import annotations


class SandboxError(Exception):
    """A failure with its remedy.

    Attributes:
        what: The thing that failed, by name ("port 127.0.0.1:8080").
        why: What was found, and what was expected instead.
        remedy: What the reader can do now, as an instruction.
    """

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}\n  What to do: {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
