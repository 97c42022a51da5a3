"""Interface that shows people a preview; one implementation for GitHub, one for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from previews.diagnosis.failure_report import FailureReport
    from previews.diagnosis.hook_logs import HookRun
    from previews.diagnosis.migration_report import MigrationLog
    from previews.errors import PreviewsError
    from previews.lifecycle.destroy import DestroyReport
    from previews.pulumi.progress import StepState
    from previews.reporting.preview_summary import PreviewSummary


@dataclass(frozen=True)
class DeployedPreview:
    """A preview that is up.

    Attributes:
        summary: Summary of its state.
        states: Steps of this deployment.
        seconds: Duration of this deployment; None where there was none.
        migration: Log of the migration; None where it can't be read.
        kept: True if it is kept past its expiry.
        hooks: Hooks that were run, and their logs.
        tests_follow: True if the app's own tests are run after it.
    """

    summary: PreviewSummary
    states: Sequence[StepState]
    seconds: float | None
    migration: MigrationLog | None
    kept: bool
    hooks: Sequence[HookRun] = ()
    tests_follow: bool = False


@dataclass(frozen=True)
class DeployFailure:
    """A deployment that failed.

    Attributes:
        report: The failure report.
        states: Steps and their results.
        migration: Log of its migration; None where there was none, or it can't be read.
        still: Commit of the earlier version that is still served; empty for none.
    """

    report: FailureReport
    states: Sequence[StepState]
    migration: MigrationLog | None = None
    still: str = ""


class Presenter(Protocol):
    """One preview, as people see it.

    A presenter never stops an operation: none of these methods raises an error.
    """

    def begin(self, commit: str) -> None:
        """Show that the deployment of a commit has begun."""

    def working(self, states: Sequence[StepState]) -> None:
        """Show the steps so far; it is called from another thread, too."""

    def up(self, deployed: DeployedPreview) -> None:
        """Show that the preview is up."""

    def failed(self, failure: DeployFailure) -> None:
        """Show why the deployment failed."""

    def stopped(self, error: PreviewsError) -> None:
        """Show an error from before Pulumi began, or after it had ended."""

    def removed(self, report: DestroyReport) -> None:
        """Show that the preview is gone, or what is left of it."""

    def not_removed(self, error: PreviewsError) -> None:
        """Show the error that ended the removal."""
