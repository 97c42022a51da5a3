"""Adoption of a repository: reads it, proposes the three files, writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict
from rich.markup import escape

from contract.app.model import FILE
from contract.app.read import AppFileError, read_app
from previews.adoption.changelog import news
from previews.adoption.checking import check
from previews.adoption.proposal import propose
from previews.adoption.report import Problem
from previews.adoption.repository import git_root, read_repository
from previews.adoption.scrub_draft import draft
from previews.adoption.workflow import (
    WORKFLOWS,
    called,
    default_branch,
    namesake,
    parse_platform,
    upgraded,
    workflow,
    workflow_path,
)
from previews.adoption.writing import Change, write
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from previews.adoption.workflow import Platform

SCRUB = "scrub.yaml"


class Person(Protocol):
    """Whoever answers the questions."""

    def ask(self, question: str, proposal: str) -> str:
        """Return the answer."""

    def choose(self, question: str, options: Sequence[str]) -> str:
        """Return one of the options."""

    def replace(self, path: str, difference: str) -> bool:
        """Return whether a file that differs is replaced."""


class Adopted(BaseModel):
    """The result of an adoption.

    Attributes:
        app: Name of the app; empty after an upgrade of the references.
        found: What was read where.
        changes: What became of each file.
        remarks: What a person has to know.
        problems: What `previews app check` still reports.
        changelog: What an upgrade brings, from the platform's changelog.
    """

    model_config = ConfigDict(frozen=True)

    app: str
    found: dict[str, str]
    changes: tuple[Change, ...]
    remarks: tuple[str, ...]
    problems: tuple[Problem, ...]
    changelog: str = ""

    def text(self) -> str:
        """Return the result for people, in rich's markup."""
        lines = [f"[bold]{name}[/]: {escape(what)}" for name, what in self.found.items()]
        for change in self.changes:
            lines.append(f"[green]{change.outcome}[/] {escape(change.path)}")
            if change.difference:
                lines.append(escape(change.difference))
        if self.changelog:
            lines.append(escape(self.changelog))
        lines += [f"[yellow]![/] {escape(remark)}" for remark in self.remarks]
        for one in self.problems:
            lines.append(f"[red]✗[/] {escape(f'{one.where}: {one.what}')}")
            lines += [f"  {escape(line)}" for line in one.remedy.splitlines()]
        if self.problems:
            lines.append("When these are mended, `previews app check` exits with 0.")
        return "\n".join(lines)


def adopt(folder: Path, person: Person, platform: Platform | None) -> Adopted:
    """Write the three files of an app.

    Args:
        folder: The app's folder, or one above it.
        person: Answers questions that the repository doesn't.
        platform: Repository of the platform; None if it isn't known, so it is asked for.

    Raises:
        PreviewsError: The repository lacks what a preview needs; nothing was written.
    """
    repository = read_repository(folder, person.choose)
    proposal = propose(repository, person.ask)
    root, home = repository.root, repository.root / repository.folder
    remarks = list(proposal.remarks)
    if platform is None:
        answer = person.ask("The platform's repository, as OWNER/REPO@REF? Empty for later.", "")
        platform = parse_platform(answer) if answer else None
    files = {home / FILE: proposal.text, home / SCRUB: draft(repository.tables)}
    changes = [write(root, path, text, person.replace) for path, text in files.items()]
    if platform is None:
        remarks.append(
            "no workflow was written: name the platform's repository with --platform OWNER/REPO@REF"
        )
    else:
        name = _name(home) or proposal.name
        other = namesake(root, repository.folder, name)
        if other is not None:
            remarks.append(
                f"{other.relative_to(root)} is of another app called {name}, whose previews these"
                " would replace: change `app` in preview.yaml, and run this again"
            )
        path = workflow_path(root, repository.folder, name)
        text = workflow(platform, repository.folder, default_branch(root), name)
        changes.append(write(root, path, text, person.replace))
    return Adopted(
        app=proposal.name,
        found=dict(proposal.found),
        changes=tuple(changes),
        remarks=tuple(remarks),
        problems=check(home).problems,
    )


def upgrade(folder: Path, person: Person, platform: Platform | None, checkout: Path) -> Adopted:
    """Move the references of the workflows that call the platform's.

    Args:
        folder: The app's folder, or any of its repository.
        person: Answers where the platform isn't known.
        platform: Repository of the platform, at the new reference.
        checkout: This program's own checkout, whose history has the changelog.

    Raises:
        PreviewsError: The platform isn't known, or no workflow calls it.
    """
    root = git_root(folder)
    if platform is None:
        platform = parse_platform(person.ask("The platform's repository, as OWNER/REPO@REF?", ""))
    changes: list[Change] = []
    former: set[Platform] = set()
    for path in sorted((root / WORKFLOWS).glob("preview*.y*ml")):
        text = path.read_bytes().decode(errors="replace").replace("\r\n", "\n")
        calls = called(text)
        if calls:
            changes.append(write(root, path, upgraded(text, platform), lambda *_: True))
            former |= calls
    if not changes:
        raise PreviewsError(
            "adopt-no-workflow",
            str(root / WORKFLOWS),
            why="no workflow there calls those of a platform",
            remedy="run `previews adopt` without --upgrade first",
        )
    brought, remark = news(former - {platform}, platform, checkout)
    return Adopted(
        app="",
        found={},
        changes=tuple(changes),
        remarks=(remark,) if remark else (),
        problems=(),
        changelog=brought,
    )


def _name(home: Path) -> str:
    """Return the name in a preview.yaml, which a person may have changed; empty if unreadable."""
    try:
        return read_app(home).app
    except AppFileError:
        return ""
