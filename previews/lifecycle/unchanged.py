"""A push that changes nothing that a preview shows: the preview stays as it is.

In doubt a push is deployed: when GitHub doesn't answer, when the last deployment isn't a success,
after a force push, where GitHub doesn't name all files, and before the app's own tests of the
commit that it runs have ended, of which the new commit gets the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.app.changes import first_relevant
from previews.errors import PreviewsError
from previews.lifecycle.triggers import PUSH, READY
from previews.output import progress
from previews.pull_request.github_presenter import commit_status, status_of_tests

if TYPE_CHECKING:
    from contract.app.model import App
    from contract.preview import Preview
    from previews.github import GitHub
    from previews.github.deployments import CommitStatus
    from previews.lifecycle.triggers import Event


@dataclass(frozen=True)
class Unchanged:
    """A preview that stays as it is.

    Attributes:
        sha: Commit that it runs.
        url: Its URL.
        tests: How the app's own tests of that commit ended; None where it has none.
    """

    sha: str
    url: str
    tests: CommitStatus | None = None


@dataclass(frozen=True)
class Comparison:
    """Comparison of a commit with the one that its preview runs.

    Attributes:
        unchanged: The preview, where nothing that it shows changed.
        cause: The first file that changed what it shows; empty where that is not known.
    """

    unchanged: Unchanged | None = None
    cause: str = ""


def compare(
    preview: Preview,
    event: Event,
    sha: str,
    *,
    github: GitHub,
    app: App,
    folder: str,
    program: tuple[str, ...] = (),
) -> Comparison:
    """Compare a commit with the one that the preview runs.

    Args:
        preview: The preview.
        event: The event; only a push, and the end of a draft, may leave a preview as it is.
        sha: The commit.
        github: The repository.
        app: The app's description at that commit.
        folder: Its folder, relative to the repository's root.
        program: Beginnings of the program's paths, where the commit before may have had its own:
            what takes a change of it back is deployed, too.
    """
    if event.action not in {PUSH, READY}:
        return Comparison()
    try:
        last = _last_success(github, preview)
        changed = None if last is None else _changed(github, event, last.sha, sha)
        if last is None or changed is None:
            return Comparison()
        of_the_program = next((name for name in changed if name.startswith(program)), None)
        cause = of_the_program or first_relevant(app, folder, changed)
        if cause is not None:
            return Comparison(cause=cause)
        if app.tests is None:
            return Comparison(last)
        tests = _tests_result(github, last.sha, preview)
    except PreviewsError as error:
        progress(f"{preview} is deployed, since what changed is not known: {error}")
        return Comparison()
    return Comparison() if tests is None else Comparison(Unchanged(last.sha, last.url, tests))


def show_unchanged(unchanged: Unchanged, sha: str, preview: Preview, *, github: GitHub) -> None:
    """Set the statuses of a commit that isn't deployed, so that a required check doesn't wait.

    Args:
        unchanged: The preview that stays as it is.
        sha: The commit.
        preview: The preview.
        github: The repository.

    Raises:
        PreviewsError: GitHub refuses.
    """
    github.deployments.set_commit_status(
        sha,
        "success",
        context=commit_status(preview.app),
        description=f"runs {unchanged.sha[:12]}; nothing of it changed since",
        url=unchanged.url,
    )
    tests = unchanged.tests
    if tests is not None:
        github.deployments.set_commit_status(
            sha,
            tests.state,
            context=tests.context,
            description=tests.description or "",
            url=tests.target_url or "",
        )


def _changed(github: GitHub, event: Event, before: str, now: str) -> tuple[str, ...] | None:
    """Return the files that differ between two commits; None if they are not known."""
    if before == now:
        return ()
    # A draft may have changed in what no event of it deployed.
    return None if event.action == READY else github.commits.compare(before, now).changed()


def _tests_result(github: GitHub, commit: str, preview: Preview) -> CommitStatus | None:
    """Return how the app's own tests of a commit ended; None while they have not."""
    found = github.deployments.commit_status(commit, status_of_tests(preview.app))
    return None if found is None or found.state == "pending" else found


def _last_success(github: GitHub, preview: Preview) -> Unchanged | None:
    """Return the last deployment; None unless it is a success.

    One is marked as soon as it is decided: a push that takes an earlier one back, whose images are
    still being built, finds that one here.
    """
    newest = next(github.deployments.of(preview.name), None)
    status = github.deployments.status(newest.id) if newest else None
    if newest is None or status is None or status.state != "success":
        return None
    return Unchanged(newest.sha, status.environment_url or "")
