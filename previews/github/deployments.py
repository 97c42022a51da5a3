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
"""Task of the deployments that are made here, by which GitHub filters them."""

CommitState = Literal["error", "failure", "pending", "success"]


class Deployment(Model):
    """A deployment that GitHub shows in a pull request.

    Attributes:
        id: Its id.
        sha: The deployed commit.
        environment: Its environment.
        created_at: Time of its creation.
    """

    id: int
    sha: str
    environment: str
    created_at: datetime


class DeploymentStatus(Model):
    """A state that a deployment had.

    Attributes:
        state: The state.
        environment_url: URL of the deployed service; empty unless it is up.
        log_url: URL of the workflow run that set it.
    """

    state: DeploymentState
    environment_url: str | None = None
    log_url: str | None = None


class CommitStatus(Model):
    """A status of a commit.

    Attributes:
        context: Its name, of which the newest counts.
        state: Its state.
        description: One line for people.
        target_url: A page about it.
    """

    context: str
    state: CommitState
    description: str | None = None
    target_url: str | None = None


class Deployments:
    """Deployments, environments and commit statuses of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos

    def of(self, environment: str) -> Iterator[Deployment]:
        """Yield every deployment to an environment, newest first."""
        what = f"deployments to {environment}"
        call = self._api.list_deployments
        for response in self._connection.each(what, call, environment=environment):
            yield read(Deployment, what, response)

    def of_commit(self, environment: str, sha: str) -> Iterator[Deployment]:
        """Yield every deployment of a commit to an environment, newest first."""
        what = f"deployments of {sha[:12]} to {environment}"
        call = self._api.list_deployments
        for response in self._connection.each(what, call, environment=environment, sha=sha):
            yield read(Deployment, what, response)

    def of_previews(self) -> Iterator[Deployment]:
        """Yield every deployment that was made here, to any environment."""
        what = "deployments of previews"
        for response in self._connection.each(what, self._api.list_deployments, task=_TASK):
            yield read(Deployment, what, response)

    def status(self, deployment: int) -> DeploymentStatus | None:
        """Return the present state of a deployment; None until it has one."""
        what = f"state of deployment {deployment}"
        call = self._api.list_deployment_statuses
        for response in self._connection.each(what, call, deployment_id=deployment):
            return read(DeploymentStatus, what, response)
        return None

    def create(self, sha: str, environment: str, *, description: str = "") -> Deployment:
        """Create a deployment of a commit, and its environment if that does not exist."""
        what = f"deployment to {environment}"
        response = self._connection.request(
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
        return read(Deployment, what, response)

    def set_state(
        self,
        deployment: int,
        state: DeploymentState,
        *,
        url: str = "",
        log_url: str = "",
        description: str = "",
    ) -> None:
        """Set the state of a deployment."""
        # GitHub rejects an empty URL, and a description that is too long.
        links = {"environment_url": url, "log_url": log_url}
        self._connection.request(
            f"state of deployment {deployment}",
            self._api.create_deployment_status,
            deployment_id=deployment,
            state=state,
            description=description[:140],
            **{name: link for name, link in links.items() if link},
        )

    def delete(self, deployment: int) -> None:
        """Delete a deployment, which must be inactive; a missing one is fine."""
        with suppress(NotFoundError):
            self._connection.send(
                f"deployment {deployment}", self._api.delete_deployment, deployment_id=deployment
            )

    def delete_environment(self, name: str) -> None:
        """Delete an environment with its deployments' history; a missing one is fine."""
        with suppress(NotFoundError):
            # githubkit puts the name into the path as it is.
            self._connection.send(
                f"environment {name}",
                self._api.delete_an_environment,
                environment_name=quote(name, safe=""),
            )

    def commit_status(self, sha: str, context: str) -> CommitStatus | None:
        """Return a commit's newest status of a name; None if it has none."""
        what = f"statuses of commit {sha[:12]}"
        call = self._api.list_commit_statuses_for_ref
        responses = self._connection.each(what, call, ref=sha)
        statuses = (read(CommitStatus, what, response) for response in responses)
        return next((one for one in statuses if one.context == context), None)

    def set_commit_status(
        self, sha: str, state: CommitState, *, context: str, description: str, url: str = ""
    ) -> None:
        """Set a status of a commit, which its pull request shows among the checks."""
        self._connection.request(
            f"status {context!r} of commit {sha[:12]}",
            self._api.create_commit_status,
            sha=sha,
            state=state,
            context=context,
            description=description[:140],
            **({"target_url": url} if url else {}),
        )
