"""A push that changes nothing that a preview shows: the preview stays as it is.

In doubt a push is deployed: when GitHub doesn't answer, when the last deployment isn't a success,
after a force push, where GitHub doesn't name all files, and before the app's own tests of the
commit that it runs have ended, of which the new commit gets the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.app.changes import first_relevant
from contract.app.read import repository_root
from previews.errors import PreviewsError
from previews.lifecycle.triggers import PUSH, Action, Decision, Event
from previews.output import progress
from previews.pull_request.github_presenter import commit_status, status_of_tests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contract.app.model import App
    from contract.preview import Preview
    from previews.github import GitHub
    from previews.github.deployments import CommitStatus


@dataclass(frozen=True)
class _LastDeployment:
    """The last deployment of a preview.

    Attributes:
        sha: The deployed commit.
        url: URL of the preview.
    """

    sha: str
    url: str


def keep_if_unchanged(
    decision: Decision, event: Event, *, github: GitHub, app: Callable[[], App], folder: Path
) -> Decision:
    """Return the decision, or one to keep the preview where a push changes nothing of it.

    Args:
        decision: The decision by the event and the pull request alone.
        event: The event.
        github: The repository.
        app: Reads the app's description.
        folder: Its folder.
    """
    if decision.action is not Action.UP or event.action != PUSH:
        return decision
    try:
        last = _last_success(github, decision.preview)
        changed = github.commits.compare(last.sha, decision.sha).changed() if last else None
        if last is None or changed is None:
            return decision
        described = app()
        if (
            described.tests is not None
            and _tests_result(github, last.sha, decision.preview) is None
        ):
            return decision
        relative = folder.resolve().relative_to(repository_root(folder)).as_posix()
        cause = first_relevant(described, relative, changed)
    except PreviewsError as error:
        progress(f"{decision.preview} is deployed, since what changed is not known: {error}")
        return decision
    if cause is not None:
        return decision.model_copy(update={"reason": f"{decision.reason}; {cause} changed"})
    return decision.model_copy(
        update={
            "action": Action.KEEP,
            "deployed": last.sha,
            "reason": f"nothing of `image.paths` changed since {last.sha[:12]}, which it runs",
        }
    )


def show_unchanged(preview: Preview, commit: str, deployed: str, *, github: GitHub) -> str:
    """Set the status of a commit that isn't deployed, so that a required check doesn't wait for it.

    Args:
        preview: The preview.
        commit: The commit.
        deployed: Commit that the preview runs.
        github: The repository.

    Returns:
        The status' text.

    Raises:
        PreviewsError: GitHub refuses, or the preview doesn't run that commit any more.
    """
    last = _last_success(github, preview)
    if last is None or last.sha != deployed:
        raise PreviewsError(
            "unchanged-outdated",
            f"{preview} at {deployed[:12]}",
            why="its last deployment is another one meanwhile",
            remedy="comment `/preview` to deploy the newest commit, if no run does so already.",
        )
    text = f"runs {deployed[:12]}; nothing of it changed since"
    github.deployments.set_commit_status(
        commit,
        "success",
        context=commit_status(preview.app),
        description=text,
        url=last.url,
    )
    tests = _tests_result(github, deployed, preview)
    if tests is not None:
        github.deployments.set_commit_status(
            commit,
            tests.state,
            context=tests.context,
            description=tests.description or "",
            url=tests.target_url or "",
        )
    return text


def _tests_result(github: GitHub, commit: str, preview: Preview) -> CommitStatus | None:
    """Return how the app's own tests of a commit ended; None while they have not."""
    found = github.deployments.commit_status(commit, status_of_tests(preview.app))
    return None if found is None or found.state == "pending" else found


def _last_success(github: GitHub, preview: Preview) -> _LastDeployment | None:
    """Return the last deployment; None unless it is a success."""
    newest = next(github.deployments.of(preview.name), None)
    status = github.deployments.status(newest.id) if newest else None
    if newest is None or status is None or status.state != "success":
        return None
    return _LastDeployment(newest.sha, status.environment_url or "")
