"""The result of a check of an app's description."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from rich.markup import escape


class Problem(BaseModel):
    """A problem of an app's description.

    Attributes:
        where: File, and its line if there is one.
        what: What was found, and what was expected.
        remedy: What to do.
    """

    model_config = ConfigDict(frozen=True)

    where: str
    what: str
    remedy: str


class Report(BaseModel):
    """The result of a check; ``notes`` are worth knowing, and no error."""

    model_config = ConfigDict(frozen=True)

    app: str
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    def text(self) -> str:
        """Return the report for people, in rich's markup."""
        lines = []
        for mark, problems in (("[red]✗[/]", self.problems), ("[yellow]![/]", self.notes)):
            for one in problems:
                lines += [f"{mark} {escape(f'{one.where}: {one.what}')}"]
                lines += [f"  {escape(line)}" for line in one.remedy.splitlines()]
        if not self.problems:
            lines.append("[green]✓[/] preview.yaml fits the repository")
        return "\n".join(lines)
