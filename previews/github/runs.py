"""Runs of workflows, for the owners of locks and the approvals of reviewers."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasPath, Field, RootModel

from previews.github.connection import Connection, Model, read


class Run(Model):
    """A run of a workflow.

    Attributes:
        id: Its id, ``GITHUB_RUN_ID`` in the run itself.
        run_attempt: Number of its attempt.
        status: ``completed`` at its end, else ``queued``, ``in_progress``, ``waiting`` ...
        conclusion: Its conclusion; None until it is over.
        html_url: Its page.
    """

    id: int
    run_attempt: int = 1
    status: str | None
    conclusion: str | None = None
    html_url: str = ""

    @property
    def is_over(self) -> bool:
        """True if it is completed."""
        return self.status == "completed"


class _Environment(Model):
    name: str = ""


class Approval(Model):
    """A reviewer's answer to a run that waits for environments.

    Attributes:
        state: The answer; ``pending`` for a comment alone.
        environments: The environments that it is about.
        login: The reviewer's login.
        kind: ``User`` for a person.
    """

    state: Literal["approved", "rejected", "pending"]
    environments: tuple[_Environment, ...]
    login: str = Field(validation_alias=AliasPath("user", "login"))
    kind: str = Field(validation_alias=AliasPath("user", "type"))

    def approves(self, environment: str) -> bool:
        """Return True if a person approves an environment by it."""
        names = {one.name for one in self.environments}
        return self.state == "approved" and self.kind == "User" and environment in names


class _Approvals(RootModel[tuple[Approval, ...]]):
    """All answers to a run."""


class Runs:
    """Runs of the workflows of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.actions

    def read(self, run: int) -> Run:
        """Return a run; it is never cached.

        Raises:
            NotFoundError: It does not exist, or the token may not read it.
        """
        what = f"run {run} of a workflow"
        return read(
            Run, what, self._connection.request(what, self._api.get_workflow_run, run_id=run)
        )

    def approvals(self, run: int) -> list[Approval]:
        """Return the answers of reviewers to a run, of each of its attempts.

        Raises:
            PreviewsError: GitHub gives no usable response.
        """
        what = f"approvals of run {run} of a workflow"
        call = self._api.get_reviews_for_run
        # One request returns them all.
        found = self._connection.request(what, call, run_id=run)
        return list(read(_Approvals, what, found).root)
