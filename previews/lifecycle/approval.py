"""Approval of a pull request's own program by a second person.

GitHub's environment makes the job wait for a reviewer, and "prevent self-review" compares that one
with whoever started the run. That need not be the author: a run that `/preview` starts is a bot's.
So the reviewer is compared here with those whose program it is, by what GitHub's server recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from previews.errors import PreviewsError
from previews.output import progress

if TYPE_CHECKING:
    from previews.github import GitHub
    from previews.github.pulls import PullRequest
    from previews.settings import Settings

ENVIRONMENT = "preview-infra"
"""Environment whose reviewers approve."""


def require_approval(pull: PullRequest, commit: str, *, github: GitHub, settings: Settings) -> None:
    """Check that another person has approved this run, before the program is run.

    Args:
        pull: The pull request.
        commit: The commit whose program is run.
        github: The repository.
        settings: The run.

    Raises:
        PreviewsError: Nobody has, or nobody but those whose program it is; or this is no run of a
            workflow, or not its first attempt.
    """
    run = settings.github_run_id
    if run is None:
        raise _refused(pull, "this is no run of a workflow, which a reviewer could approve")
    if settings.github_run_attempt > 1:
        # GitHub keeps the approvals of earlier attempts, which may be of another commit.
        raise _refused(
            pull, "this run was started again, and GitHub does not tell what of it was approved"
        )
    owners = {pull.author, *github.commits.pushers(pull.head_ref, commit)}
    approvals = github.runs.approvals(run)
    approving = {one.login for one in approvals if one.approves(ENVIRONMENT)}
    others = approving - owners
    if not others:
        by = f"only {_listed(approving)} has" if approving else "nobody has"
        raise _refused(
            pull,
            f"{by} approved this run for the environment {ENVIRONMENT}; expected a person who"
            f" neither opened the pull request nor pushed {commit[:12]}, as {_listed(owners)} did",
        )
    progress(f"the program of {commit[:12]} is approved by {_listed(others)}")


def _listed(logins: set[str]) -> str:
    return ", ".join(sorted(logins))


def _refused(pull: PullRequest, why: str) -> PreviewsError:
    return PreviewsError(
        "program-approval",
        f"program of pull request {pull.number}",
        why=why,
        remedy="start a new run by a push or a comment `/preview`, and let another reviewer of the"
        f" environment {ENVIRONMENT} approve it; or take the label off, to deploy with the default"
        " branch's program.",
    )
