"""One run of the sweep: find candidates, read each pull request again, remove, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field
from rich.markup import escape

from contract.preview import Preview
from previews import inventory
from previews.errors import PreviewsError, StoppedError, for_people
from previews.inventory import ResourceFinder
from previews.lifecycle.sweep_candidates import Candidate, SweepReason, SweepState
from previews.output import progress

if TYPE_CHECKING:
    from previews.github.pulls import Pulls
    from previews.github.repository import Repository
    from previews.lifecycle.destroy import DestroyReport
    from previews.pulumi.stacks import Stacks
    from previews.settings import Settings


class SweepOutcome(StrEnum):
    """Outcome for one candidate."""

    DUE = "due"
    DESTROYED = "destroyed"
    KEPT = "kept"
    FAILED = "failed"
    LATER = "later"


class SweepEntry(BaseModel):
    """One candidate in the report.

    Attributes:
        preview: The preview.
        reason: Reason for its removal.
        outcome: Outcome of this run.
        detail: More of either, for people.
    """

    model_config = ConfigDict(frozen=True)

    preview: Preview = Field(serialization_alias="number")
    reason: SweepReason
    outcome: SweepOutcome
    detail: str


class SweepReport(BaseModel):
    """All candidates.

    Attributes:
        dry_run: True if nothing was to be removed.
        stacks: Number of stacks.
        open_pull_requests: Number of open pull requests.
        entries: One for each candidate.
    """

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    stacks: int
    open_pull_requests: int
    entries: list[SweepEntry]

    @property
    def due(self) -> list[Preview]:
        """Previews that a run with ``--yes`` would remove."""
        return [entry.preview for entry in self.entries if entry.outcome is SweepOutcome.DUE]

    @property
    def failed(self) -> list[SweepEntry]:
        """Entries whose removal failed."""
        return [entry for entry in self.entries if entry.outcome is SweepOutcome.FAILED]

    def text(self) -> str:
        """Return the report for people."""
        what = "due or kept; to remove those due: --yes" if self.dry_run else "candidates"
        head = (
            f"{self.stacks} stacks, {self.open_pull_requests} open pull requests,"
            f" {len(self.entries)} {what}"
        )
        lines = [
            f"  {entry.outcome:<10} {entry.preview} ({entry.reason}): {escape(entry.detail)}"
            for entry in self.entries
        ]
        return "\n".join([head, *lines])


class Remove(Protocol):
    """Removal of a preview, which the pull request shows."""

    def __call__(self, preview: Preview, *, leftovers: bool) -> DestroyReport:
        """Remove a preview; with `leftovers` also resources that are in no state."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One run over all previews.

    Attributes:
        stacks: The project's stacks.
        places: Places that can have resources of a preview.
        pulls: The repository's pull requests.
        repository: The repository, for its labels.
        settings: Names of the labels, and the times.
        remove: Removes a preview.
    """

    stacks: Stacks
    places: Sequence[ResourceFinder]
    pulls: Pulls
    repository: Repository
    settings: Settings
    remove: Remove

    def run(
        self,
        *,
        most: int,
        dry_run: bool = True,
        only: Preview | None = None,
        confirmed: int = 0,
    ) -> SweepReport:
        """Find candidates and remove those that are due.

        Args:
            most: Most previews to remove.
            dry_run: True to report only.
            only: The one preview to look at; None for all.
            confirmed: Number of previews that a person allows to go at once.

        Raises:
            PreviewsError: The candidates can't be found; nothing was removed.
        """
        self._require_label()
        state = self._read()
        state.require_staging()
        candidates = state.candidates(self.settings)
        if only is None:
            state.require_few(candidates, confirmed=confirmed)
        entries: list[SweepEntry] = []
        touched = 0
        for candidate in candidates:
            if only is not None and candidate.preview != only:
                continue
            if touched == most:
                detail = f"this run has removed its {most}"
                entries.append(_entry(candidate, SweepOutcome.LATER, detail))
                continue
            entry = self._sweep_one(state, candidate, dry_run=dry_run)
            touched += entry.outcome is not SweepOutcome.KEPT
            entries.append(entry)
        return SweepReport(
            dry_run=dry_run,
            stacks=len(state.stacks),
            open_pull_requests=len(state.pulls),
            entries=entries,
        )

    def _require_label(self) -> None:
        """Refuse a label that no pull request can have: every preview would have lost it.

        Raises:
            PreviewsError: The repository has no such label.
        """
        label = self.settings.label
        if label not in self.repository.labels():
            raise PreviewsError(
                "sweep-no-label",
                f"label {label!r}",
                why=f"{self.settings.github_repository} has no such label, so every preview would"
                " seem to have lost it",
                remedy="set PREVIEWS_LABEL to the label's present name, the same for all workflows,"
                f" or create it: gh label create {label}. Nothing was removed.",
            )

    def _read(self) -> SweepState:
        """Read the state that the sweep decides by.

        Raises:
            PreviewsError: One of them gives no usable answer.
        """
        # In this order: what is created meanwhile is in the answers that are read later.
        items = inventory.look(self.places)
        stacks = self.stacks.all()
        pulls = list(self.pulls.all_open())
        return SweepState(
            items=items,
            stacks=stacks,
            pulls=pulls,
            now=datetime.now(UTC),
            app=self.settings.app_name,
        )

    def _sweep_one(self, state: SweepState, candidate: Candidate, *, dry_run: bool) -> SweepEntry:
        """Check a candidate with its pull request as it is now, and remove it.

        A failure becomes an entry, so that it doesn't stop the sweep.
        """
        progress(f"{candidate.preview}: {candidate.detail}")
        try:
            pull = self.pulls.read(candidate.preview.number)
            now = state.judge(candidate.preview, pull, self.settings)
            if now is None:
                detail = "its pull request has changed since the list was read"
                return _entry(candidate, SweepOutcome.KEPT, detail)
            if now.reason is SweepReason.ORPHANED and pull.is_open:
                return _entry(
                    now,
                    SweepOutcome.KEPT,
                    "its pull request requests a preview, which a run may be deploying; if none is:"
                    f" previews destroy {now.preview.number} --leftovers",
                )
            if dry_run:
                return _entry(now, SweepOutcome.DUE, now.detail)
            report = self.remove(now.preview, leftovers=not now.has_stack)
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - the next preview is tried all the same
            shown = for_people(candidate.preview.name, error)
            # A pull request that GitHub doesn't find is not known to be closed.
            unknown = shown.code == "github-not-found"
            outcome = SweepOutcome.KEPT if unknown else SweepOutcome.FAILED
            return _entry(candidate, outcome, str(shown))
        if not report.complete:
            return _entry(now, SweepOutcome.FAILED, f"left: {', '.join(report.left)}")
        return _entry(now, SweepOutcome.DESTROYED, now.detail)


def _entry(candidate: Candidate, outcome: SweepOutcome, detail: str) -> SweepEntry:
    return SweepEntry(
        preview=candidate.preview, reason=candidate.reason, outcome=outcome, detail=detail
    )
