"""GitHub: deployments of previews."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.stack_name import PLATFORM_APP, AppName
from previews.errors import PreviewsError
from previews.inventory.item import Item, preview

if TYPE_CHECKING:
    from previews.github import GitHub


class GitHubTraces:
    """Deployments of previews, with their environments.

    Neither costs anything, so they don't count. An environment without deployments is not
    searched for: its deletion needs a permission that a workflow's own token never has, so
    every sweep would find it again.
    """

    name = "GitHub"

    def __init__(self, github: GitHub, app: AppName = PLATFORM_APP) -> None:
        self._github = github
        self._app = app

    def find(self) -> Iterator[Item]:
        """Yield environments with deployments of previews; a request returns 100."""
        deployments = self._github.deployments.of_previews()
        for environment in sorted({deployment.environment for deployment in deployments}):
            owner = preview(environment, self._app)
            if owner is not None:
                yield Item(
                    stack=owner,
                    place=self.name,
                    kind="deployments",
                    id=environment,
                    by="name",
                    counts=False,
                )

    def remove(self, item: Item) -> None:
        """Delete the deployments, then the environment if the token may."""
        deployments = self._github.deployments
        for deployment in list(deployments.of(item.id)):
            deployments.set_state(deployment.id, "inactive", description="removed")
            deployments.delete(deployment.id)
        try:
            deployments.delete_environment(item.id)
        except PreviewsError as error:
            if error.code != "github-denied":
                raise
