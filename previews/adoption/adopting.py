"""Adoption of a repository: reads it, proposes the three files, writes them."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict
from rich.markup import escape

from contract.app.model import FILE
from contract.app.read import AppFileError, is_inside, read_app
from previews.adoption.changelog import news
from previews.adoption.checking import Problem, check
from previews.adoption.proposal import propose
from previews.adoption.repository import git_root, read_repository
from previews.adoption.scrub_draft import draft_of_schema, draft_of_source
from previews.adoption.scrub_file import extend, render, scrub_path
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
from previews.errors import PreviewsError
from previews.files import write_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contract.schema import DatabaseSchema
    from previews.adoption.migrations import Tables
    from previews.adoption.workflow import Platform


class Person(Protocol):
    """Whoever answers the questions."""

    def ask(self, question: str, proposal: str) -> str:
        """Return the answer."""

    def choose(self, question: str, options: Sequence[str]) -> str:
        """Return one of the options."""

    def replace(self, path: str, difference: str) -> bool:
        """Return whether a file that differs is replaced."""


class Change(BaseModel):
    """Result for a file.

    Attributes:
        path: Its path, relative to the repository.
        outcome: `created`; `unchanged`; `replaced`; `kept`, which differs and was not replaced;
            `extended`, to which only lines were added.
        difference: From the file that was there to the proposed one, as a unified diff.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    outcome: Literal["created", "unchanged", "replaced", "kept", "extended"]
    difference: str = ""


class Adopted(BaseModel):
    """The result of an adoption.

    Attributes:
        app: Name of the app; empty after an upgrade of the references.
        found: Things that were read, and where.
        changes: The outcome for each file.
        remarks: Things that a person has to know.
        problems: Those that `previews app check` still reports.
        folder: Its folder, absolute; empty after an upgrade of the references.
        changelog: Sections of the platform's changelog, after an upgrade.
    """

    model_config = ConfigDict(frozen=True)

    app: str
    found: dict[str, str]
    changes: tuple[Change, ...]
    remarks: tuple[str, ...]
    problems: tuple[Problem, ...]
    folder: str = ""
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


def adopt(
    folder: Path, person: Person, platform: Platform | None, schema: DatabaseSchema | None = None
) -> Adopted:
    """Write the three files of an app.

    Args:
        folder: The app's folder, or one above it.
        person: Answers questions that the repository doesn't.
        platform: Repository of the platform; None if it isn't known, so it is asked for.
        schema: The schema of its migrated database; None to read the source instead.

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
    changes = [write(root, home / FILE, proposal.text, person.replace)]
    changes.append(write_scrub(root, home, repository.tables, schema, remarks))
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
        folder=str(home),
        found=dict(proposal.found),
        changes=tuple(changes),
        remarks=tuple(remarks),
        problems=check(home, schema).problems,
    )


def draft_scrub(folder: Path, schema: DatabaseSchema) -> Adopted:
    """Draft the rules of the scrub alone, of an app whose preview.yaml is there.

    Raises:
        PreviewsError: The file can't be written.
    """
    remarks: list[str] = []
    repository = read_repository(folder, lambda _, options: options[0])
    change = write_scrub(repository.root, folder, repository.tables, schema, remarks)
    report = check(folder, schema)
    columns = sum(1 for _ in schema.columns_to_classify())
    return Adopted(
        app=report.app,
        folder=str(folder),
        found={"migrated schema": f"{len(schema.tables)} tables, {columns} columns for the scrub"},
        changes=(change,),
        remarks=tuple(remarks),
        problems=report.problems,
    )


def write_scrub(
    root: Path, home: Path, tables: Tables, schema: DatabaseSchema | None, remarks: list[str]
) -> Change:
    """Write the draft of the rules, or add what the file lacks: no line of a person is lost.

    Args:
        root: The repository.
        home: The app's folder.
        tables: Tables of the source, for a draft without a schema.
        schema: The schema of the migrated database.
        remarks: Gets what a person has to know.

    Raises:
        PreviewsError: The file can't be written.
    """
    path = scrub_path(home)
    of_source = render(draft_of_source(tables))
    if schema is None:
        change = write(root, path, of_source, lambda *_: False)
        if change.outcome != "kept":
            return change
        remarks.append(
            f"{change.path} stays as it is; whether it lacks columns, only the migrated schema"
            " tells: pass it with --schema, or run `make adopt` on a sandbox"
        )
        return change.model_copy(update={"difference": ""})
    draft = draft_of_schema(schema)
    if not path.exists() or current(path) == of_source:
        # Nobody has edited the draft of the source, so nobody has to see how this one differs.
        change = write(root, path, render(draft), lambda *_: True)
        return change.model_copy(update={"difference": ""})
    relative = Path(os.path.relpath(path, root)).as_posix()
    try:
        # Not with replacements for what is no UTF-8: it is written back.
        extended = extend(path.read_bytes().decode().replace("\r\n", "\n"), draft)
    except ValueError as error:
        remarks.append(f"{relative} can't be read, so nothing was added to it: {error}")
        return write(root, path, render(draft), lambda *_: False)
    if extended.gone:
        remarks.append(
            f"{relative} has rules for what the schema lacks: {', '.join(extended.gone)}; remove"
            " them, or mark them `leaving: true` while a snapshot has them"
        )
    if not extended.written:
        missing = ", ".join(".".join(place) for place in extended.added)
        remarks.append(f"{relative} has a form of its own, so add rules for these: {missing}")
    change = write(root, path, extended.text, lambda *_: True)
    if change.outcome == "replaced":
        return change.model_copy(update={"outcome": "extended"})
    return change


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
    remarks: list[str] = []
    for path in sorted((root / WORKFLOWS).glob("preview*.y*ml")):
        if not path.is_file():
            continue
        try:
            # Not with replacements for what is no UTF-8: it is written back, as are its line ends.
            text = path.read_bytes().decode()
            calls = called(text)
        except (OSError, ValueError) as error:
            remarks.append(f"{path.relative_to(root)} can't be read, so nothing is moved: {error}")
            continue
        if calls:
            changes.append(write(root, path, upgraded(text, platform), lambda *_: True))
            former |= calls
    if not changes:
        raise PreviewsError(
            "adopt-no-workflow",
            str(root / WORKFLOWS),
            why="; ".join(["no workflow there calls those of a platform", *remarks]),
            remedy="run `previews adopt` without --upgrade first",
        )
    brought, remark = news(former - {platform}, platform, checkout)
    return Adopted(
        app="",
        found={},
        changes=tuple(changes),
        remarks=(*remarks, *((remark,) if remark else ())),
        problems=(),
        changelog=brought,
    )


def _name(home: Path) -> str:
    """Return the name in a preview.yaml, which a person may have changed; empty if unreadable."""
    try:
        return read_app(home).app
    except AppFileError:
        return ""


def write(root: Path, path: Path, text: str, replace: Callable[[str, str], bool]) -> Change:
    """Write a file.

    Args:
        root: The repository, out of which nothing is written.
        path: The file.
        text: Its content.
        replace: Decides about a file that differs, by its path and the difference.

    Raises:
        PreviewsError: The path leads out of the repository, or can't be written.
    """
    relative = Path(os.path.relpath(path, root)).as_posix()
    if not is_inside(root, path):
        raise PreviewsError(
            "adopt-write",
            relative,
            why="a link leads out of the git repository",
            remedy="remove the link, and run this again",
        )
    try:
        if not path.exists():
            write_at_once(path, text)
            return Change(path=relative, outcome="created")
        former, proposed = current(path), text.replace("\r\n", "\n")
        if former == proposed:
            return Change(path=relative, outcome="unchanged")
        lines = difflib.unified_diff(
            former.splitlines(),
            proposed.splitlines(),
            f"{relative} (now)",
            f"{relative} (proposed)",
            lineterm="",
        )
        difference = "\n".join(lines)
        if not replace(relative, difference):
            return Change(path=relative, outcome="kept", difference=difference)
        write_at_once(path, text)
    except OSError as error:
        raise PreviewsError(
            "adopt-write",
            relative,
            why=f"it can't be read or written: {error.strerror or error}",
            remedy="correct its permissions, and run this again",
        ) from error
    return Change(path=relative, outcome="replaced", difference=difference)


def current(path: Path) -> str:
    """Return a file's text; a checkout on Windows has other line ends than the file in git."""
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")
