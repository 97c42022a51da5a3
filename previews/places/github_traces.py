"""GitHub: what is left in the repository of a preview that was shown there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from previews.errors import PreviewsError
from previews.places.item import Item, preview

if TYPE_CHECKING:
    from previews.github import GitHub


class GitHubTraces:
    """Environments that carry a preview's name, with their deployments.

    Neither costs anything, and deleting an environment needs a right that a workflow's own
    token never has. So they count for nothing: they are removed as far as the token goes.
    """

    name = "GitHub"

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def find(self) -> Iterator[Item]:
        """A hundred a page."""
        for environment in self._github.deployments.environments():
            owner = preview(environment.name)
            if owner is not None:
                yield Item(
                    stack=owner,
                    place=self.name,
                    kind="environment",
                    id=environment.name,
                    by="name",
                    counts=False,
                )

    def remove(self, item: Item) -> None:
        """Delete the deployments, then the environment where the token may."""
        deployments = self._github.deployments
        for deployment in list(deployments.of(item.id)):
            deployments.set_state(deployment.id, "inactive", description="removed")
            deployments.delete(deployment.id)
        try:
            deployments.delete_environment(item.id)
        except PreviewsError as error:
            if error.code != "github-denied":
                raise
