"""Deployments, environments and commit statuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from previews.errors import NotFoundError
from previews.github.connection import Connection, Model, read

DeploymentState = Literal[
    "error", "failure", "inactive", "in_progress", "queued", "pending", "success"
]
_TASK = "deploy:preview"
"""By which GitHub lists those that were made here, and no others."""

CommitState = Literal["error", "failure", "pending", "success"]


class Deployment(Model):
    """A deployment that GitHub shows in a pull request.

    Attributes:
        id: Its id.
        sha: The commit that was deployed.
        environment: Where to.
        created_at: When it began.
    """

    id: int
    sha: str
    environment: str
    created_at: datetime


class Deployments:
    """Deployments, environments and commit statuses of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos

    def of(self, environment: str) -> Iterator[Deployment]:
        """Every deployment to an environment, newest first."""
        what = f"deployments to {environment}"
        call = self._api.list_deployments
        for answer in self._connection.each(what, call, environment=environment):
            yield read(Deployment, what, answer)

    def of_previews(self) -> Iterator[Deployment]:
        """Every deployment that was made here, to whatever environment."""
        what = "deployments of previews"
        for answer in self._connection.each(what, self._api.list_deployments, task=_TASK):
            yield read(Deployment, what, answer)

    def create(self, sha: str, environment: str, *, description: str = "") -> Deployment:
        """Begin a deployment of a commit to an environment, which is made if it is not there."""
        what = f"deployment to {environment}"
        answer = self._connection.ask(
            what,
            self._api.create_deployment,
            ref=sha,
            environment=environment,
            task=_TASK,
            description=description,
            # The commit is deployed as it is, whatever the state of its checks.
            auto_merge=False,
            required_contexts=[],
            transient_environment=True,
            production_environment=False,
        )
        return read(Deployment, what, answer)

    def set_state(
        self,
        deployment: int,
        state: DeploymentState,
        *,
        url: str = "",
        log_url: str = "",
        description: str = "",
    ) -> None:
        """Say how a deployment is."""
        # GitHub refuses an empty URL, and cuts no description: it refuses one that is too long.
        links = {"environment_url": url, "log_url": log_url}
        self._connection.ask(
            f"state of deployment {deployment}",
            self._api.create_deployment_status,
            deployment_id=deployment,
            state=state,
            description=description[:140],
            **{name: link for name, link in links.items() if link},
        )

    def delete(self, deployment: int) -> None:
        """Delete a deployment, which must be inactive; one that is gone is fine."""
        with suppress(NotFoundError):
            self._connection.tell(
                f"deployment {deployment}", self._api.delete_deployment, deployment_id=deployment
            )

    def delete_environment(self, name: str) -> None:
        """Delete an environment with its deployments' history; one that is gone is fine."""
        with suppress(NotFoundError):
            # githubkit puts the name into the path as it is.
            self._connection.tell(
                f"environment {name}",
                self._api.delete_an_environment,
                environment_name=quote(name, safe=""),
            )

    def set_commit_status(
        self, sha: str, state: CommitState, *, context: str, description: str, url: str = ""
    ) -> None:
        """Set a commit's status, which a pull request shows among its checks."""
        self._connection.ask(
            f"status {context!r} of commit {sha[:12]}",
            self._api.create_commit_status,
            sha=sha,
            state=state,
            context=context,
            description=description[:140],
            **({"target_url": url} if url else {}),
        )
