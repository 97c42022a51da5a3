"""The one error that the program ends with: what failed, why, and what to do."""

from __future__ import annotations

import pulumi


class ProgramError(pulumi.RunError):
    """A failure with its remedy, which Pulumi prints without a traceback.

    Attributes:
        what: Name of the thing that failed ("config previews:domain").
        why: Cause: the value that was found, and the expected one.
        remedy: Instruction for the reader.
    """

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}\n  What to do: {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
