"""GitHub's API, as far as the lifecycle uses it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from previews.github.comments import Comments
    from previews.github.commits import Commits
    from previews.github.connection import Connection
    from previews.github.contents import Contents
    from previews.github.deployments import Deployments
    from previews.github.people import People
    from previews.github.pulls import Pulls
    from previews.github.repository import Repository
    from previews.github.runs import Runs
    from previews.github.settings import RepositorySettings
    from previews.github.workflows import Workflows
    from previews.settings import Settings


class GitHub:
    """One repository; each attribute is one part of its API.

    It connects at the first use: without a token, only that fails.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def connection(self) -> Connection:
        """The connection to the API.

        Raises:
            PreviewsError: Token or repository is not set.
        """
        from previews.github.connection import Connection

        return Connection(self._settings)

    @cached_property
    def repository(self) -> Repository:
        """The repository itself: its identity and its labels."""
        from previews.github.repository import Repository

        return Repository(self.connection)

    @cached_property
    def pulls(self) -> Pulls:
        """Pull requests and their labels."""
        from previews.github.pulls import Pulls

        return Pulls(self.connection)

    @cached_property
    def comments(self) -> Comments:
        """Comments on pull requests."""
        from previews.github.comments import Comments

        return Comments(self.connection)

    @cached_property
    def commits(self) -> Commits:
        """Commits, to compare them."""
        from previews.github.commits import Commits

        return Commits(self.connection)

    @cached_property
    def contents(self) -> Contents:
        """Files of a commit."""
        from previews.github.contents import Contents

        return Contents(self.connection)

    @cached_property
    def deployments(self) -> Deployments:
        """Deployments, environments and commit statuses."""
        from previews.github.deployments import Deployments

        return Deployments(self.connection)

    @cached_property
    def runs(self) -> Runs:
        """Runs of workflows."""
        from previews.github.runs import Runs

        return Runs(self.connection)

    @cached_property
    def people(self) -> People:
        """Permissions of people."""
        from previews.github.people import People

        return People(self.connection)

    @cached_property
    def workflows(self) -> Workflows:
        """Workflows, to start one."""
        from previews.github.workflows import Workflows

        return Workflows(self.connection)

    @cached_property
    def settings(self) -> RepositorySettings:
        """Settings of the repository, for whoever may read them."""
        from previews.github.settings import RepositorySettings

        return RepositorySettings(self.connection)
