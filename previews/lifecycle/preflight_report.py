"""What a preflight looked at, and what it found."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from rich.markup import escape


class Check(BaseModel):
    """One thing that was looked at.

    Attributes:
        name: What.
        passed: Whether it is as it has to be.
        detail: What was found.
        remedy: What to do where it is not; empty where it is.
        room: Whether it is about room, which comes back by itself.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    detail: str
    remedy: str = ""
    room: bool = False


class Report(BaseModel):
    """All that was looked at.

    Attributes:
        stack: The preview.
        is_new: Whether it has no stack yet.
        checks: Each check.
        place: Its place in the queue where there is no room; 1 is next.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    is_new: bool
    checks: list[Check]
    place: int | None = None

    @property
    def broken(self) -> list[Check]:
        """What is wrong and stays so."""
        return [check for check in self.checks if not check.passed and not check.room]

    @property
    def full(self) -> list[Check]:
        """Where there is no room."""
        return [check for check in self.checks if not check.passed and check.room]

    def text(self) -> str:
        """What a person reads."""
        lines = []
        for check in self.checks:
            mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
            lines.append(f"{mark} {check.name}: {escape(check.detail)}")
            if check.remedy:
                lines.append(f"    What to do: {escape(check.remedy)}")
        if self.place is not None:
            lines.append(f"{self.stack} is number {self.place} in the queue")
        return "\n".join(lines)
