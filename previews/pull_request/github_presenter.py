"""Shows a preview in its pull request: one comment, a deployment, a commit status.

It never stops an operation: an error of GitHub is printed on the terminal, and the deployment
continues. A command that does nothing else asks for it in the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from previews import output
from previews.diagnosis import failure_report, migration_report
from previews.errors import PreviewsError, StoppedError, for_people
from previews.output import progress
from previews.pull_request import comment
from previews.pull_request.length import shortened
from previews.pull_request.presenter import DeployedPreview, DeployFailure
from previews.pull_request.tests_result import AppTests, AppTestsResult, Outcome
from previews.reporting.status import status_of
from previews.reporting.wording import duration

if TYPE_CHECKING:
    from contract.platform_outputs import PlatformOutputs
    from contract.preview import Preview
    from contract.stack_name import AppName
    from previews.github import GitHub
    from previews.github.comments import Comment
    from previews.github.deployments import CommitState, DeploymentState
    from previews.kubernetes import Cluster
    from previews.lifecycle.destroy import DestroyReport
    from previews.pull_request.obstacles import Obstacle
    from previews.pull_request.program_diff import ProgramDiff
    from previews.pull_request.pull_requests import PullRequests
    from previews.pulumi.progress import StepState
    from previews.pulumi.stacks import Stacks
    from previews.settings import Settings


def commit_status(app: AppName) -> str:
    """Return the name of the commit status among the checks of a pull request."""
    return "preview" if app.is_platform else f"preview/{app}"


def status_of_tests(app: AppName) -> str:
    """Return the name of the commit status of the app's own tests."""
    return f"{app.prefix}preview/tests"


_TESTS_STATES: dict[Outcome, CommitState] = {
    Outcome.PASSED: "success",
    Outcome.FAILED: "failure",
    Outcome.TIMED_OUT: "failure",
    Outcome.CANCELLED: "error",
}
_SECONDS_BETWEEN_EDITS = 10.0
_BOT = "github-actions[bot]"


class PullRequestPresenter:
    """Presenter of one preview in its pull request."""

    def __init__(
        self,
        github: GitHub,
        preview: Preview,
        *,
        run_url: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show nothing until a deployment begins or a preview is removed.

        Args:
            github: The repository.
            preview: The preview.
            run_url: URL of the workflow run; empty outside CI.
            clock: Seconds, to limit how often the comment is edited.
        """
        self._github = github
        self._preview = preview
        self._run_url = run_url
        self._clock = clock
        self._comment: int | None = None
        self._shown = ""
        self._body = ""
        self._tests: AppTests | None = None
        self._diff: ProgramDiff | None = None
        self._edited_at: float | None = None
        self._deployment: int | None = None
        self._sha = ""
        self._began = datetime.now(UTC)
        self._errors: list[PreviewsError] = []

    def queue(self, commit: str) -> None:
        """Mark a commit as one that is deployed once its images are built."""
        with self._errors_noted("deployment"):
            deployments = self._github.deployments
            made = deployments.create(commit, self._preview.name, description="preview")
            deployments.set_state(
                made.id, "queued", log_url=self._run_url, description="its images are built first"
            )

    def refuse(self, obstacle: Obstacle) -> None:
        """Comment why the pull request gets no preview, unless the comment shows one.

        A comment that says so already is not edited.
        """
        text = comment.refused(self._preview.name, obstacle)
        with self._errors_noted("comment"):
            found = self._find()
            if found is None:
                self._github.comments.create(self._preview.number, text)
            elif found.body != text and comment.shows_no_preview(found.body):
                self._github.comments.update(found.id, text)

    def begin(self, commit: str) -> None:
        """Create a deployment of the commit, or go on with the one that waits; and the comment."""
        self._sha, self._began = commit, datetime.now(UTC)
        with self._errors_noted("deployment"):
            waiting = self._waiting(commit)
            self._deployment = (
                self._github.deployments.create(
                    commit, self._preview.name, description="preview"
                ).id
                if waiting is None
                else waiting
            )
        self._state("in_progress", "pending", "deploying")
        self._working((), soon=False)

    def _waiting(self, commit: str) -> int | None:
        """Return the deployment of the commit that waits, if any; the others of them are ended.

        Two events at once are two decisions, of which the first deploys.
        """
        deployments = self._github.deployments
        waiting = [
            one.id
            for one in list(deployments.of_commit(self._preview.name, commit))
            if self._is_queued(one.id)
        ]
        for other in waiting[1:]:
            deployments.set_state(other, "inactive", description="deployed by another run")
        return next(iter(waiting), None)

    def _is_queued(self, deployment: int) -> bool:
        status = self._github.deployments.status(deployment)
        return status is not None and status.state == "queued"

    def outdated(self, commit: str, reason: str) -> None:
        """End the deployment of a commit that is not to be deployed any more.

        The comment says so where the deployment had begun, unless another run has replaced it.
        """
        if self._deployment is not None:
            self._state("inactive", "error", reason)
            self._show_outdated(commit, reason)
            return
        with self._errors_noted("deployment"):
            waiting = self._waiting(commit)
            if waiting is not None:
                self._github.deployments.set_state(
                    waiting, "inactive", log_url=self._run_url, description=reason
                )

    def _show_outdated(self, commit: str, reason: str) -> None:
        text = comment.ended(self._preview.name, commit, reason, cancelled=True, run=self._run_url)
        with self._errors_noted("comment"):
            found = self._find()
            if found is not None and found.body == self._body:
                self.show(text)

    def working(self, states: Sequence[StepState]) -> None:
        """Show the steps in the comment, not more often than every ten seconds."""
        self._working(states, soon=True)

    def _working(self, states: Sequence[StepState], *, soon: bool) -> None:
        text = comment.working(
            self._preview.name,
            self._sha,
            states,
            since=self._began,
            now=datetime.now(UTC),
            run=self._run_url,
        )
        self.show(text, soon=soon)

    def up(self, deployed: DeployedPreview) -> None:
        """Show the preview in the comment, and its URL in the deployment."""
        if deployed.tests_follow:
            self._tests = AppTests(commit=self._sha, run=self._run_url, shown=self._sha)
            self._tests_status("pending", "running")
        self.show(comment.up(deployed, now=datetime.now(UTC), run=self._run_url))
        description = f"up after {duration(deployed.seconds or 0)}"
        self._state("success", "success", description, url=deployed.summary.url)

    def failed(self, failure: DeployFailure) -> None:
        """Show the failure report in the comment."""
        self.show(comment.failed(self._preview.name, self._sha, failure, run=self._run_url))
        self._state("failure", "failure", failure.report.cause.why)

    def stopped(self, error: PreviewsError) -> None:
        """Show the error in the comment, or that the deployment was cancelled."""
        if isinstance(error, StoppedError):
            # In the checks first: little time is left.
            why = f"cancelled: {error.why}"
            self._state("error", "error", why)
            text = comment.ended(
                self._preview.name, self._sha, error.why, cancelled=True, run=self._run_url
            )
            self.show(text)
            return
        failure = DeployFailure(failure_report.report_error(error), ())
        self.show(comment.failed(self._preview.name, self._sha, failure, run=self._run_url))
        self._state("failure", "failure", error.what)

    def stopped_at(self, commit: str, error: PreviewsError) -> None:
        """Show an error from before the deployment of a commit began, and end what waits for it.

        A lack of room is no failure: the comment has its place in the queue.
        """
        self._sha = commit
        with self._errors_noted("deployment"):
            self._deployment = self._waiting(commit)
        if error.code == "no-room":
            self.show(
                comment.no_room(self._preview.name, error.why, error.remedy, run=self._run_url)
            )
            self._state("inactive", "pending", "waits for room")
        else:
            self.stopped(error)

    @contextmanager
    def failures_shown(self, commit: str) -> Iterator[None]:
        """Show an error of what prepares the deployment of a commit; it is raised again."""
        try:
            yield
        except Exception as error:
            self.stopped_at(commit, for_people(self._preview.name, error))
            raise

    def ended(
        self, commit: str, deployment: int | None, why: str, *, cancelled: bool, shown: bool
    ) -> None:
        """Show that a run ended which could not say so itself.

        Args:
            commit: The commit that it was to deploy.
            deployment: The deployment that it left as it was; None if there is none.
            why: Which jobs ended, and how.
            cancelled: True if none of them failed.
            shown: True to show it in the comment, which is about the newest commit alone.
        """
        self._sha, self._deployment = commit, deployment
        if shown:
            self.show(
                comment.ended(
                    self._preview.name, commit, why, cancelled=cancelled, run=self._run_url
                )
            )
        if cancelled:
            self._state("error", "error", why)
        else:
            self._state("failure", "failure", why)

    def removed(self, report: DestroyReport) -> None:
        """Update the comment if there is one, and create none for a preview that had none."""
        text = comment.removed(
            self._preview.name, seconds=report.seconds, left=report.left, hook=report.hook
        )
        self._update(text)
        if report.complete:
            self.retire()

    def not_removed(self, error: PreviewsError) -> None:
        """Update the comment if there is one."""
        self._update(comment.not_removed(self._preview.name, error, run=self._run_url))

    def tested(self, commit: str, result: AppTestsResult) -> None:
        """Show how the tests of a commit ended, in its status and in the comment.

        A comment that expects none is left as it is, since the preview was removed meanwhile, and
        so is one that has the tests of a newer commit.
        """
        self._sha = commit
        self._tests_status(_TESTS_STATES[result.outcome], result.text())
        with self._errors_noted("comment"):
            found = self._find()
            before = None if found is None else comment.kept_tests(found.body)
            if found is not None and before is not None and before.give_way_to(commit):
                tests = AppTests(
                    commit=commit, result=result, run=self._run_url, shown=before.shown
                )
                text = comment.with_tests(comment.without_tests(found.body), tests)
                self._github.comments.update(found.id, self._fitting(text))

    def compared(self, diff: ProgramDiff) -> None:
        """Show in the comment what the program would change; later texts keep it."""
        with self._errors_noted("comment"):
            found = self._find()
            if found is None:
                text = comment.only_compared(self._preview.name)
                body = self._fitting(comment.with_program_diff(text, diff))
                self._github.comments.create(self._preview.number, body)
                return
            tests = comment.kept_tests(found.body)
            text = comment.without_program_diff(comment.without_tests(found.body))
            text = comment.with_tests(comment.with_program_diff(text, diff), tests)
            self._github.comments.update(found.id, self._fitting(text))

    def _tests_status(self, state: CommitState, description: str) -> None:
        with self._errors_noted("status"):
            self._github.deployments.set_commit_status(
                self._sha,
                state,
                context=status_of_tests(self._preview.app),
                description=description,
                url=self._run_url,
            )

    def show(self, text: str, *, soon: bool = False, keep_tests: bool = True) -> None:
        """Post the comment, or replace its text.

        Args:
            text: The whole text.
            soon: True if it may be skipped, since another text follows soon.
            keep_tests: True if it keeps the tests of the app and the changes of the program, which
                a removed preview has not.
        """
        now = self._clock()
        recent = self._edited_at is not None and now - self._edited_at < _SECONDS_BETWEEN_EDITS
        if text == self._shown or (soon and recent):
            return
        with self._errors_noted("comment"):
            if self._comment is None:
                found = self._find()
                self._comment = found.id if found else None
                self._keep_tests(found if keep_tests else None)
                if found is not None and keep_tests:
                    self._keep_diff(found)
            body = comment.with_tests(comment.with_program_diff(text, self._diff), self._tests)
            body = self._fitting(body)
            if self._comment is None:
                self._comment = self._github.comments.create(self._preview.number, body).id
            else:
                self._github.comments.update(self._comment, body)
            self._shown, self._body, self._edited_at = text, body, now

    def _keep_tests(self, found: Comment | None) -> None:
        """Keep the result of earlier tests, marked as such if another commit is deployed."""
        if found is not None and self._tests is None:
            earlier = comment.kept_tests(found.body)
            if earlier is not None:
                self._tests = earlier.about(self._sha or earlier.shown)

    def _keep_diff(self, found: Comment) -> None:
        """Keep the changes of the program, unless another commit is shown."""
        kept = comment.kept_program_diff(found.body)
        if kept is not None and self._sha in {"", kept.commit}:
            self._diff = kept

    def _update(self, text: str) -> None:
        with self._errors_noted("comment"):
            found = self._find()
            if found is not None:
                self._github.comments.update(found.id, self._fitting(text))

    def _fitting(self, text: str) -> str:
        """Return as much of a comment as GitHub takes; the run's log gets the whole."""
        body = shortened(text, self._run_url)
        if body != text:
            progress(f"{self._preview}: the comment is cut, and was:")
            output.console.print(text, markup=False, soft_wrap=True)
        return body

    def retire(self) -> None:
        """Delete the preview's deployments, whose buttons would lead nowhere."""
        with self._errors_noted("deployments"):
            deployments = self._github.deployments
            for deployment in list(deployments.of(self._preview.name)):
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
        with self._errors_noted("deployment"):
            if self._deployment is not None:
                self._github.deployments.set_state(
                    self._deployment,
                    deployment,
                    url=url,
                    log_url=self._run_url,
                    description=description,
                )
        with self._errors_noted("status"):
            self._github.deployments.set_commit_status(
                self._sha,
                commit,
                context=commit_status(self._preview.app),
                description=description,
                url=url or self._run_url,
            )

    @contextmanager
    def _errors_noted(self, what: str) -> Iterator[None]:
        try:
            yield
        except PreviewsError as error:
            progress(f"{what} in the pull request: {error}")
            self._errors.append(error)

    def require_shown(self) -> None:
        """Raise the first error of GitHub, for a command that does nothing but show.

        Raises:
            PreviewsError: Something is not shown.
        """
        if self._errors:
            raise self._errors[0]

    def _find(self) -> Comment | None:
        """Find the comment by its marker, written by a workflow: anyone else can write it, too."""
        for one in self._github.comments.of(self._preview.number):
            if one.body.startswith(comment.marker(self._preview.app)) and one.author == _BOT:
                return one
        return None


def current_comment(
    preview: Preview,
    *,
    stacks: Stacks,
    platform: Callable[[], PlatformOutputs],
    pulls: PullRequests,
    settings: Settings,
    connect: Callable[[], Cluster],
    connect_to: str | None = None,
    reset: bool = False,
) -> str:
    """Render the comment of a preview that is up, as it is now.

    Args:
        preview: The preview.
        stacks: The project's stacks.
        platform: Returns the platform's outputs.
        pulls: Pull requests.
        settings: Names of the labels.
        connect: Connects to the cluster.
        connect_to: As in `smoke`.
        reset: True if its database was just reset.

    Raises:
        PreviewsError: Pulumi or GitHub does not answer.
    """
    now = datetime.now(UTC)
    pull = pulls.read(preview.number)
    status = status_of(
        preview,
        now,
        stacks=stacks,
        platform=platform,
        ttl_days=settings.ttl_days,
        connect_to=connect_to,
    )
    deployed = DeployedPreview(
        summary=status.summary,
        states=(),
        seconds=None,
        migration=migration_report.read(connect, preview.name),
        kept=settings.keep_label in pull.labels,
    )
    return comment.up(deployed, now=now, reset=now if reset else None)
