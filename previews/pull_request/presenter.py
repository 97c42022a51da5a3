"""Shows people what becomes of a preview; each implementation in a place of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from previews.diagnosis.failure_report import Autopsy
    from previews.diagnosis.migration_log import MigrationLog
    from previews.errors import PreviewsError
    from previews.lifecycle.destroy import Receipt
    from previews.pulumi.progress import StepState
    from previews.reporting.preview_summary import Facts


@dataclass(frozen=True)
class Arrival:
    """A preview that is up.

    Attributes:
        facts: What its state says.
        states: What was done this time.
        seconds: How long that took; None where nothing was done.
        migration: What the migration said; None where nobody could be asked.
        kept: Whether it stays past its expiry.
    """

    facts: Facts
    states: Sequence[StepState]
    seconds: float | None
    migration: MigrationLog | None
    kept: bool


@dataclass(frozen=True)
class Failure:
    """A preview that did not come up.

    Attributes:
        autopsy: Why.
        states: How far it came.
        migration: What its migration said; None where there was none, or nobody could be asked.
        still: The commit that is still served from before; empty for none.
    """

    autopsy: Autopsy
    states: Sequence[StepState]
    migration: MigrationLog | None = None
    still: str = ""


class Presenter(Protocol):
    """One pull request's preview, as people see it.

    What people see never stops what is done: none of these raises an error.
    """

    def begin(self, commit: str) -> None:
        """Show that a commit is being deployed."""

    def working(self, states: Sequence[StepState]) -> None:
        """Show how far it is; called from a thread of its own, too."""

    def up(self, arrival: Arrival) -> None:
        """Show that it is up."""

    def failed(self, failure: Failure) -> None:
        """Show why it did not come up."""

    def stopped(self, error: PreviewsError) -> None:
        """Show what stopped it before Pulumi began, or after it had ended."""

    def removed(self, receipt: Receipt) -> None:
        """Show that it is gone, or what is left of it."""
