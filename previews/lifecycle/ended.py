"""The end of a run that could not report it: a build that failed, a job that was cancelled.

A deployment that reported its own end has given its deployment on GitHub a final state, or another
run has taken it over. A decision that did has given the commit's status one. Such a report is never
replaced.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from contract.preview import Preview
from previews.lifecycle.triggers import MANUAL, Action, Event, decide
from previews.pull_request.github_presenter import commit_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from previews.github import GitHub
    from previews.github.deployments import Deployment
    from previews.github.pulls import PullRequest
    from previews.pull_request.github_presenter import PullRequestPresenter
    from previews.settings import Settings

_FAILED = frozenset({"failure", "error"})
_UNFINISHED = frozenset({"queued", "pending", "in_progress"})


class Result(StrEnum):
    """Result of a job, as ``needs.<job>.result`` has it."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


_ENDS = {Result.FAILURE: "failed", Result.CANCELLED: "was cancelled"}


class EndReport(BaseModel):
    """The end of a run as it was shown.

    Attributes:
        preview: The preview.
        commit: The commit that the run was to deploy; empty where none was named or read.
        why: Which jobs ended, and how; empty where none failed or was cancelled.
        shown: True if it was shown; False where the run has reported its end itself, and where the
            pull request gets no preview.
    """

    model_config = ConfigDict(frozen=True)

    preview: Preview = Field(serialization_alias="number")
    commit: str
    why: str
    shown: bool

    def text(self) -> str:
        """Return the report for people."""
        at = f" at {self.commit[:12]}" if self.commit else ""
        about = f"{self.preview}{at}: {self.why or 'no job failed'}"
        if self.shown or not self.why:
            return about
        return f"{about}; reported already, or not to be deployed"


def report_end(
    preview: Preview,
    commit: str,
    jobs: Mapping[str, Result],
    *,
    github: GitHub,
    settings: Settings,
    presenter: PullRequestPresenter,
    run: str,
) -> EndReport:
    """Show in comment, status and deployment how a run ended, unless that is shown already.

    Args:
        preview: The preview.
        commit: The commit that the run was to deploy; empty for the newest one.
        jobs: Results of its jobs, by name.
        github: The repository.
        settings: Names of the labels.
        presenter: Shows it in the pull request.
        run: URL of the run.

    Raises:
        PreviewsError: GitHub gives no answer.
    """
    ends = {name: _ENDS[result] for name, result in jobs.items() if result in _ENDS}
    why = ", ".join(f"job {name} {end}" for name, end in ends.items())
    if not ends:
        return EndReport(preview=preview, commit=commit, why="", shown=False)
    pull = github.pulls.read(preview.number)
    commit = commit or pull.head_sha
    newest = next(github.deployments.of_commit(preview.name, commit), None)
    silent = (
        not _is_wanted(preview, pull, settings)
        or _is_reported(preview, commit, github=github, run=run)
        if newest is None
        else _is_over(newest, github=github, run=run)
    )
    if silent:
        return EndReport(preview=preview, commit=commit, why=why, shown=False)
    presenter.ended(
        commit,
        None if newest is None else newest.id,
        why,
        cancelled=Result.FAILURE not in jobs.values(),
        shown=pull.is_open and pull.head_sha == commit,
    )
    return EndReport(preview=preview, commit=commit, why=why, shown=True)


def _is_over(deployment: Deployment, *, github: GitHub, run: str) -> bool:
    """Return True if a deployment has reported its end, or is another run's."""
    status = github.deployments.status(deployment.id)
    if status is None:
        return False
    others = status.log_url not in {None, "", run}
    return others or status.state not in _UNFINISHED


def _is_reported(preview: Preview, commit: str, *, github: GitHub, run: str) -> bool:
    """Return True if the run has shown its own failure, before there was a deployment."""
    status = github.deployments.commit_status(commit, commit_status(preview.app))
    return status is not None and status.state in _FAILED and status.target_url == run


def _is_wanted(preview: Preview, pull: PullRequest, settings: Settings) -> bool:
    """Return True if a pull request gets a preview: a decision that failed has not said so."""
    return decide(Event(action=MANUAL, preview=preview), pull, settings).action is Action.UP
