"""GitHub's API, as far as the lifecycle needs it."""

from __future__ import annotations

from functools import cached_property

from previews.github.comments import Comments
from previews.github.connection import Connection
from previews.github.deployments import Deployments
from previews.github.people import People
from previews.github.pulls import Pulls
from previews.github.runs import Runs
from previews.github.workflows import Workflows
from previews.settings import Settings


class GitHub:
    """One repository; each attribute is one part of its API."""

    def __init__(self, settings: Settings) -> None:
        self.connection = Connection(settings)

    @cached_property
    def pulls(self) -> Pulls:
        """Pull requests and their labels."""
        return Pulls(self.connection)

    @cached_property
    def comments(self) -> Comments:
        """Comments on pull requests."""
        return Comments(self.connection)

    @cached_property
    def deployments(self) -> Deployments:
        """Deployments, environments and commit statuses."""
        return Deployments(self.connection)

    @cached_property
    def runs(self) -> Runs:
        """Runs of workflows."""
        return Runs(self.connection)

    @cached_property
    def people(self) -> People:
        """What people may do."""
        return People(self.connection)

    @cached_property
    def workflows(self) -> Workflows:
        """Workflows, to start one."""
        return Workflows(self.connection)
