"""Shows in a pull request what becomes of its preview: one comment, a deployment, a status.

What people see never stops what is done: a GitHub that does not answer is told of on the
terminal, and the preview comes up all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from previews.diagnosis import failure_report
from previews.errors import PreviewsError
from previews.output import progress
from previews.pull_request import comment
from previews.pull_request.comment import MARKER
from previews.pull_request.presenter import Failure
from previews.reporting.wording import duration

if TYPE_CHECKING:
    from previews.github import GitHub
    from previews.github.comments import Comment
    from previews.github.deployments import CommitState, DeploymentState
    from previews.lifecycle.destroy import Receipt
    from previews.pull_request.presenter import Arrival
    from previews.pulumi.progress import StepState

CONTEXT = "preview"
"""The name under which a commit's status is shown among its checks."""

_SECONDS_BETWEEN_EDITS = 10.0
_BOT = "[bot]"


class PullRequestPresenter:
    """One pull request, and what it shows of its preview."""

    def __init__(
        self,
        github: GitHub,
        number: int,
        *,
        run_url: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show nothing yet.

        Args:
            github: Where to show it.
            number: The pull request's number.
            run_url: Where the run of the workflow is shown; empty at home.
            clock: Seconds, for not editing too often.
        """
        self._github = github
        self._number = number
        self._stack = f"pr-{number}"
        self._run_url = run_url
        self._clock = clock
        self._comment: int | None = None
        self._shown = ""
        self._edited_at: float | None = None
        self._deployment: int | None = None
        self._sha = ""
        self._began = datetime.now(UTC)

    def begin(self, commit: str) -> None:
        """Begin a deployment of the commit, and a comment."""
        self._sha, self._began = commit, datetime.now(UTC)
        with _never_stopping("deployment"):
            deployments = self._github.deployments
            made = deployments.create(commit, self._stack, description="preview")
            self._deployment = made.id
        self._state("in_progress", "pending", "coming up")
        self._working((), soon=False)

    def working(self, states: Sequence[StepState]) -> None:
        """Show the steps in the comment, now and then."""
        self._working(states, soon=True)

    def _working(self, states: Sequence[StepState], *, soon: bool) -> None:
        text = comment.working(
            self._stack,
            self._sha,
            states,
            since=self._began,
            now=datetime.now(UTC),
            run=self._run_url,
        )
        self.show(text, soon=soon)

    def up(self, arrival: Arrival) -> None:
        """Show the preview in the comment; the deployment leads to it."""
        self.show(comment.up(arrival, now=datetime.now(UTC), run=self._run_url))
        description = f"up after {duration(arrival.seconds or 0)}"
        self._state("success", "success", description, url=arrival.facts.url)

    def failed(self, failure: Failure) -> None:
        """Show the failure in the comment, with what it most likely is."""
        self.show(comment.failed(self._stack, self._sha, failure, run=self._run_url))
        self._state("failure", "failure", failure.autopsy.cause.why)

    def stopped(self, error: PreviewsError) -> None:
        """Show the error in the comment."""
        failure = Failure(failure_report.of_error(error), ())
        self.show(comment.failed(self._stack, self._sha, failure, run=self._run_url))
        self._state("failure", "failure", error.what)

    def removed(self, receipt: Receipt) -> None:
        """Bring the comment up to date, where there is one; a preview that nobody saw gets none."""
        text = comment.removed(self._stack, seconds=receipt.seconds, left=receipt.left)
        self.amend(text)
        if receipt.complete:
            self.retire()

    def show(self, text: str, *, soon: bool = False) -> None:
        """Make the comment say this.

        Args:
            text: All that it says.
            soon: Whether it may be left out, since another one follows soon.
        """
        now = self._clock()
        recent = self._edited_at is not None and now - self._edited_at < _SECONDS_BETWEEN_EDITS
        if text == self._shown or (soon and recent):
            return
        with _never_stopping("comment"):
            if self._comment is None:
                found = self._find()
                self._comment = found.id if found else None
            if self._comment is None:
                self._comment = self._github.comments.create(self._number, text).id
            else:
                self._github.comments.update(self._comment, text)
            self._shown, self._edited_at = text, now

    def amend(self, text: str) -> None:
        """Make the comment say this if there is one, and make none."""
        with _never_stopping("comment"):
            found = self._find()
            if found is not None:
                self._github.comments.update(found.id, text)

    def retire(self) -> None:
        """What was shown of deployments is over: their buttons lead nowhere."""
        with _never_stopping("deployments"):
            deployments = self._github.deployments
            for deployment in list(deployments.of(self._stack)):
                deployments.set_state(deployment.id, "inactive", description="removed")
                deployments.delete(deployment.id)

    def _state(
        self,
        deployment: DeploymentState,
        commit: CommitState,
        description: str,
        *,
        url: str = "",
    ) -> None:
        with _never_stopping("deployment"):
            if self._deployment is not None:
                self._github.deployments.set_state(
                    self._deployment,
                    deployment,
                    url=url,
                    log_url=self._run_url,
                    description=description,
                )
        with _never_stopping("status"):
            self._github.deployments.set_commit_status(
                self._sha,
                commit,
                context=CONTEXT,
                description=description,
                url=url or self._run_url,
            )

    def _find(self) -> Comment | None:
        """Our comment: a person who writes the marker is not taken for us."""
        for one in self._github.comments.of(self._number):
            if one.body.startswith(MARKER) and one.author.endswith(_BOT):
                return one
        return None


@contextmanager
def _never_stopping(what: str) -> Iterator[None]:
    try:
        yield
    except PreviewsError as error:
        progress(f"{what} in the pull request: {error}")
