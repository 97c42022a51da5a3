"""The whole decision about a pull request, and what the pull request shows of it.

It is made by the default branch's code alone: what it reads of the pull request is data.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from previews.lifecycle import triggers
from previews.lifecycle.bake import Builds
from previews.lifecycle.triggers import INFRA_LABEL, Action, Decision, Event
from previews.lifecycle.unchanged import Unchanged, compare, show_unchanged
from previews.pull_request.obstacles import Obstacle

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from contract.app.model import App
    from contract.stack_name import AppName
    from previews.github import GitHub
    from previews.github.pulls import PullRequest
    from previews.pull_request.github_presenter import PullRequestPresenter
    from previews.settings import Settings

# What the program is: its code, the model of what it reads, and its project.
_PROGRAM = ("infra/", "contract/", "Pulumi.yaml")
_MOST_FILES = 3000


class FullDecision(Decision):
    """A decision with all that the jobs after it need to know.

    Attributes:
        deployed: Commit that the preview runs, where it stays as it is; else empty.
        tests: True if the app has end-to-end tests, which follow a deployment.
        infra: True if the pull request changes the program, which the platform's own app alone may.
        infra_approved: True if it has the label that requests a deployment with its program.
        scope: Staging's part of GitHub's cache.
    """

    deployed: str = ""
    tests: bool = False
    infra: bool = False
    infra_approved: bool = False
    scope: str = ""

    def outputs(self) -> dict[str, str]:
        """Return the outputs of a step."""
        return {
            "action": self.action.value,
            "number": str(self.preview.number),
            "sha": self.sha,
            "stack": self.preview.name,
            "deployed": self.deployed,
            "tests": str(self.tests).lower(),
            "infra": str(self.infra).lower(),
            "infra_approved": str(self.infra_approved).lower(),
            "scope": self.scope,
        }


@dataclass(frozen=True)
class Decided:
    """A decision, and what it was made from.

    Attributes:
        decision: The decision.
        event: The event.
        unchanged: The preview, where it stays as it is.
        app: The app's description; None where the pull request gets no preview.
    """

    decision: FullDecision
    event: Event
    unchanged: Unchanged | None = None
    app: App | None = None


@dataclass(frozen=True)
class Deciding:
    """Decisions about the pull requests of one repository.

    Attributes:
        github: The repository.
        settings: Names of the labels, and of the app and its folder.
        describe: Reads the app's description at a commit.
        presenter: Shows the decision in the pull request; None to show nothing.
    """

    github: GitHub
    settings: Settings
    describe: Callable[[str], App]
    presenter: PullRequestPresenter | None = None

    def decide(self, event: Event) -> Decided:
        """Decide by an event, and by the pull request as it is now.

        Raises:
            PreviewsError: GitHub gives no answer, or the app's description is wrong. The pull
                request shows why, if it would get a preview.
        """
        pull = self.github.pulls.read(event.preview.number)
        first = triggers.decide(event, pull, self.settings)
        decision = FullDecision(**dict(first), scope=cache_scope(event.preview.app))
        if decision.action is not Action.UP:
            return Decided(decision, event)
        with self._failures_shown(decision):
            return self._decide_with_files(decision, event, pull)

    def _decide_with_files(
        self, decision: FullDecision, event: Event, pull: PullRequest
    ) -> Decided:
        app = self.describe(decision.sha)
        infra = event.preview.app.is_platform and self._changes_the_program(pull.number)
        infra_approved = infra and INFRA_LABEL in pull.labels
        more: dict[str, Any] = {
            "tests": app.tests is not None,
            "infra": infra,
            "infra_approved": infra_approved,
        }
        if infra:
            # What of the program changed since the last push is not told by the images' paths, nor
            # whether the preview runs the pull request's own, whose label was taken off.
            return Decided(decision.model_copy(update=more), event, app=app)
        if event.action == triggers.LABELED and event.label == INFRA_LABEL:
            reason = f"label {INFRA_LABEL!r} was added, and it changes nothing of the program"
            more |= {"action": Action.SKIP, "reason": reason}
            return Decided(decision.model_copy(update=more), event, app=app)
        found = compare(
            event.preview,
            event,
            decision.sha,
            github=self.github,
            app=app,
            folder=self.settings.folder_in_repository,
            program=_PROGRAM if event.preview.app.is_platform else (),
        )
        if found.unchanged is not None:
            more |= {
                "action": Action.KEEP,
                "deployed": found.unchanged.sha,
                "reason": f"nothing of `image.paths` changed since {found.unchanged.sha[:12]},"
                " which it runs",
            }
        elif found.cause:
            more["reason"] = f"{decision.reason}; {found.cause} changed"
        return Decided(decision.model_copy(update=more), event, found.unchanged, app)

    def _changes_the_program(self, number: int) -> bool:
        count = 0
        for file in self.github.pulls.files(number):
            count += 1
            if any(name.startswith(_PROGRAM) for name in file.names):
                return True
        # Of more files GitHub names none.
        return count >= _MOST_FILES

    def bake_definition(self, decided: Decided) -> str | None:
        """Return the builds of the images, as bake reads them; None where nothing is deployed.

        Raises:
            PreviewsError: No build is possible. The pull request shows why.
        """
        decision, app, settings = decided.decision, decided.app, self.settings
        if app is None or decision.action is not Action.UP:
            return None
        with self._failures_shown(decision):
            return Builds(
                app=app,
                preview=decision.preview,
                folder=settings.folder_in_repository,
                commit=decision.sha,
                source=f"{settings.github_server_url}/{settings.github_repository}",
                domain=settings.domain,
                scope=decision.scope,
            ).definition()

    def _failures_shown(self, decision: FullDecision) -> AbstractContextManager[None]:
        presenter = self.presenter
        return nullcontext() if presenter is None else presenter.failures_shown(decision.sha)

    def announce(self, decided: Decided) -> None:
        """Show the decision in the pull request.

        Raises:
            PreviewsError: GitHub refuses the statuses of a commit that is not deployed.
        """
        decision, presenter = decided.decision, self.presenter
        if presenter is None:
            return
        if decided.unchanged is not None:
            show_unchanged(decided.unchanged, decision.sha, decision.preview, github=self.github)
        elif decision.action is Action.UP:
            presenter.queue(decision.sha)
        elif decision.obstacle is not None and self._tell(decided):
            presenter.refuse(decision.obstacle)

    def _tell(self, decided: Decided) -> bool:
        """Return True if people are to be told why a pull request gets no preview.

        Of a fork only if a person with the right to label asked for one: nobody else's pull
        request makes this repository write. A bot reads no comment.
        """
        if decided.decision.obstacle is Obstacle.FORK:
            return decided.event.requests(self.settings.label)
        return decided.decision.obstacle is not Obstacle.BOT


def cache_scope(app: AppName) -> str:
    """Return the part of GitHub's cache that staging's builds of an app write."""
    return f"{app.prefix}staging"
