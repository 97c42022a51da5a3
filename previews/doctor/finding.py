"""A check, its result, and the report of all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from previews.errors import Exit, PreviewsError

_HIDDEN = frozenset({"github-denied", "github-not-found"})
_REFUSED = ("AccessDenied", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden")


class State(StrEnum):
    """State of what was checked."""

    FINE = "fine"
    MISSING = "missing"
    UNREAD = "unread"
    """It could not be read, so nothing is known of it."""


_MARKS = {State.FINE: "[green]✓[/]", State.MISSING: "[red]✗[/]", State.UNREAD: "[yellow]?[/]"}


class Problem(NamedTuple):
    """A thing that is missing, with the command that mends it; empty where there is none."""

    why: str
    remedy: str = ""


class Verdict(NamedTuple):
    """Judgement on what was read.

    Attributes:
        fact: Facts where nothing is missing.
        problems: Everything that is missing.
    """

    fact: str
    problems: tuple[Problem, ...] = ()


def verdict(fact: str, problems: Iterable[Problem]) -> Verdict:
    """Return the judgement on all problems that were found."""
    return Verdict(fact, tuple(problems))


class Finding(BaseModel):
    """Result of a check.

    Attributes:
        name: Name of the check.
        state: State of what was checked.
        why: Facts that were found.
        remedy: Commands or instructions that mend it, a line each.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    why: str
    remedy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: Its name, which docs/getting-started-aws.md gives beside a step.
        right: Rights that reading needs: GitHub's name of a permission, or AWS's of actions.
        examine: Reads and judges.
    """

    name: str
    right: str
    examine: Callable[[], Verdict]

    def run(self) -> Finding:
        """Return the result; what can't be read is no result that passes."""
        try:
            fact, problems = self.examine()
        except PreviewsError as error:
            return self._unread(error.why, self._remedy_of(error))
        except ClientError as error:
            return self._unread(str(error), self._remedy_in_aws(error))
        except BotoCoreError as error:
            return self._unread(str(error), "log in to AWS: `aws sso login`, or set AWS_PROFILE.")
        if not problems:
            return Finding(name=self.name, state=State.FINE, why=fact)
        return Finding(
            name=self.name,
            state=State.MISSING,
            why="; ".join(problem.why for problem in problems),
            remedy=tuple(dict.fromkeys(p.remedy for p in problems if p.remedy)),
        )

    def _unread(self, why: str, remedy: str) -> Finding:
        return Finding(name=self.name, state=State.UNREAD, why=why, remedy=(remedy,))

    def _remedy_of(self, error: PreviewsError) -> str:
        if error.code not in _HIDDEN:
            return error.remedy
        return (
            f"use a token of somebody who administers the repository, with the right {self.right}:"
            " export GITHUB_TOKEN=$(gh auth token)."
        )

    def _remedy_in_aws(self, error: ClientError) -> str:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code.startswith(_REFUSED):
            return f"log in to AWS as somebody who has the right {self.right}."
        return "check the credentials and the region, and run it again."


class Report(BaseModel):
    """Results of all checks."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...]

    def of(self, state: State) -> list[Finding]:
        """Return the findings of a state."""
        return [finding for finding in self.findings if finding.state is state]

    @property
    def exit_code(self) -> Exit:
        """Return whether anything is missing, or else whether anything is unknown."""
        if self.of(State.MISSING):
            return Exit.FAILED
        return Exit.UNREAD if self.of(State.UNREAD) else Exit.DONE

    def text(self) -> RenderableType:
        """Return the report for people: a line for each check, then what to do."""
        shown = Table(box=SIMPLE_HEAD)
        shown.add_column("")
        shown.add_column("Check", no_wrap=True)
        shown.add_column("Found", overflow="fold")
        for finding in self.findings:
            shown.add_row(_MARKS[finding.state], finding.name, escape(finding.why))
        # A command is there to be copied: outside the table, no line of it is broken.
        remedies = [
            Text(f"\n{', '.join(names)}\n" + "\n".join(f"  {line}" for line in remedy))
            for remedy, names in self._by_remedy().items()
        ]
        heading = [Text("What to do:", style="bold")] if remedies else []
        return Group(shown, *heading, *remedies)

    def _by_remedy(self) -> dict[tuple[str, ...], list[str]]:
        """Return the names of the checks by what mends them: often one thing mends several."""
        names: dict[tuple[str, ...], list[str]] = {}
        for finding in self.findings:
            if finding.remedy:
                names.setdefault(finding.remedy, []).append(finding.name)
        return names
