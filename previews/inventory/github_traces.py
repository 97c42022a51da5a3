"""GitHub: what is left in the repository of a preview that was shown there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from previews.errors import PreviewsError
from previews.inventory.item import Item, preview

if TYPE_CHECKING:
    from previews.github import GitHub


class GitHubTraces:
    """Deployments of previews, with the environments that they are to.

    Neither costs anything, so they count for nothing. An environment without deployments is not
    looked for: to delete one needs a right that a workflow's own token never has, and each would
    be found again by every sweep, for ever.
    """

    name = "GitHub"

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def find(self) -> Iterator[Item]:
        """A hundred a page, of those alone that were made for previews."""
        deployments = self._github.deployments.of_previews()
        for environment in sorted({deployment.environment for deployment in deployments}):
            owner = preview(environment)
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
