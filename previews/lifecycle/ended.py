"""The end of a run that could not report it: a build that failed, a job that was cancelled.

A deployment that reported its own end has given its deployment on GitHub a final state, or another
run has taken it over. Such a report is never replaced.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from contract.preview import Preview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from previews.github import GitHub
    from previews.pull_request.github_presenter import PullRequestPresenter

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
        commit: The commit that the run was to deploy.
        why: Which jobs ended, and how; empty where none failed or was cancelled.
        shown: True if it was shown; False where the deployment has reported its end itself.
    """

    model_config = ConfigDict(frozen=True)

    preview: Preview = Field(serialization_alias="number")
    commit: str
    why: str
    shown: bool

    def text(self) -> str:
        """Return the report for people."""
        about = f"{self.preview} at {self.commit[:12]}: {self.why or 'no job failed'}"
        return about if self.shown or not self.why else f"{about}; reported already"


def report_end(
    preview: Preview,
    commit: str,
    jobs: Mapping[str, Result],
    *,
    github: GitHub,
    presenter: PullRequestPresenter,
    run: str,
) -> EndReport:
    """Show in comment, status and deployment how a run ended, unless that is shown already.

    Args:
        preview: The preview.
        commit: The commit that the run was to deploy.
        jobs: Results of its jobs, by name.
        github: The repository.
        presenter: Shows it in the pull request.
        run: URL of the run.

    Raises:
        PreviewsError: GitHub gives no answer.
    """
    ends = {name: _ENDS[result] for name, result in jobs.items() if result in _ENDS}
    why = ", ".join(f"job {name} {end}" for name, end in ends.items())
    if not ends:
        return EndReport(preview=preview, commit=commit, why="", shown=False)
    newest = next(github.deployments.of_commit(preview.name, commit), None)
    status = None if newest is None else github.deployments.status(newest.id)
    if status is not None:
        others = status.log_url not in {None, "", run}
        if others or status.state not in _UNFINISHED:
            return EndReport(preview=preview, commit=commit, why=why, shown=False)
    pull = github.pulls.read(preview.number)
    presenter.ended(
        commit,
        None if newest is None else newest.id,
        why,
        cancelled=Result.FAILURE not in jobs.values(),
        shown=pull.is_open and pull.head_sha == commit,
    )
    return EndReport(preview=preview, commit=commit, why=why, shown=True)
