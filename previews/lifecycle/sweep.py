"""One run of the sweep: look, judge, read each pull request once more, remove, report all."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from rich.markup import escape

from previews import inventory
from previews.errors import PreviewsError
from previews.lifecycle.destroy import destroy
from previews.lifecycle.sweep_candidates import Candidate, Cause, Seen
from previews.output import progress

if TYPE_CHECKING:
    from previews.clients import Clients


class Outcome(StrEnum):
    """What became of a preview that seemed due."""

    DUE = "due"
    DESTROYED = "destroyed"
    KEPT = "kept"
    FAILED = "failed"
    LATER = "later"


class Entry(BaseModel):
    """One preview in the report.

    Attributes:
        number: Its pull request.
        cause: Why it seemed due.
        outcome: What became of it.
        detail: More of either, for a person.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    cause: Cause
    outcome: Outcome
    detail: str


class Report(BaseModel):
    """All previews that seemed due.

    Attributes:
        dry_run: Whether nothing was to be touched.
        stacks: How many stacks there are.
        open_pull_requests: How many pull requests are open.
        entries: One for each that seemed due.
    """

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    stacks: int
    open_pull_requests: int
    entries: list[Entry]

    @property
    def due(self) -> list[int]:
        """The pull requests whose previews would go in a run that may remove."""
        return [entry.number for entry in self.entries if entry.outcome is Outcome.DUE]

    @property
    def failed(self) -> list[Entry]:
        """Those that were to go and did not."""
        return [entry for entry in self.entries if entry.outcome is Outcome.FAILED]

    def text(self) -> str:
        """What a person reads."""
        what = "would be touched; to remove them: --yes" if self.dry_run else "were judged"
        head = (
            f"{self.stacks} stacks, {self.open_pull_requests} open pull requests,"
            f" {len(self.entries)} {what}"
        )
        lines = [
            f"  {entry.outcome:<10} pr-{entry.number} ({entry.cause}): {escape(entry.detail)}"
            for entry in self.entries
        ]
        return "\n".join([head, *lines])


def look(clients: Clients) -> Seen:
    """Everything that the sweep judges by.

    Raises:
        PreviewsError: Anything gives no usable answer.
    """
    # In this order: what is made meanwhile is not missed in what is asked for later.
    items = inventory.look(clients.places)
    stacks = clients.stacks.all()
    pulls = list(clients.github.pulls.all_open())
    return Seen(items=items, stacks=stacks, pulls=pulls, now=datetime.now(UTC))


def sweep(
    clients: Clients,
    *,
    most: int,
    dry_run: bool = True,
    only: int | None = None,
    none_open: bool = False,
) -> Report:
    """Judge every preview and remove those that are due.

    Args:
        clients: Whom to ask.
        most: How many to remove at most.
        dry_run: Only say which.
        only: Judge this pull request's alone.
        none_open: A person says that no pull request is open.

    Raises:
        PreviewsError: Nothing can be judged; nothing was touched.
    """
    seen = look(clients)
    seen.require_sense(none_open=none_open)
    entries: list[Entry] = []
    touched = 0
    for candidate in seen.candidates(clients.settings):
        if only is not None and candidate.number != only:
            continue
        if touched == most:
            entries.append(_entry(candidate, Outcome.LATER, f"the {most} of this run are done"))
            continue
        entry = _one(clients, seen, candidate, dry_run=dry_run)
        touched += entry.outcome is not Outcome.KEPT
        entries.append(entry)
    return Report(
        dry_run=dry_run,
        stacks=len(seen.stacks),
        open_pull_requests=len(seen.pulls),
        entries=entries,
    )


def _one(clients: Clients, seen: Seen, candidate: Candidate, *, dry_run: bool) -> Entry:
    """Judge a preview by its pull request as it is now, and remove it; a failure is an entry."""
    progress(f"pr-{candidate.number}: {candidate.detail}")
    try:
        pull = clients.github.pulls.read(candidate.number)
        now = seen.judge(candidate.number, pull, clients.settings)
        if now is None:
            return _entry(candidate, Outcome.KEPT, "its pull request says otherwise by now")
        if now.cause is Cause.ORPHANED and pull.is_open:
            return _entry(
                now,
                Outcome.KEPT,
                "its pull request asks for a preview, which a run may be making; if none is:"
                f" previews destroy {now.number} --leftovers",
            )
        if dry_run:
            return _entry(now, Outcome.DUE, now.detail)
        receipt = destroy(clients, now.stack, leftovers=not now.has_stack)
        clients.presenter(candidate.number).removed(receipt)
    except PreviewsError as error:
        # GitHub not knowing the pull request is no word that it is closed.
        unknown = error.code == "github-not-found"
        return _entry(candidate, Outcome.KEPT if unknown else Outcome.FAILED, str(error))
    if not receipt.complete:
        return _entry(now, Outcome.FAILED, f"left: {', '.join(receipt.left)}")
    return _entry(now, Outcome.DESTROYED, now.detail)


def _entry(candidate: Candidate, outcome: Outcome, detail: str) -> Entry:
    return Entry(number=candidate.number, cause=candidate.cause, outcome=outcome, detail=detail)
