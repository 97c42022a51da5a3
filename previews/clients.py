"""What commands talk to, made when it is first asked for.

Each client takes up to a second to import, and no command needs all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from previews.settings import Settings

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.platform_outputs import PlatformOutputs
    from previews.github import GitHub
    from previews.inventory import Place
    from previews.kubernetes import Cluster
    from previews.pull_request.presenter import Presenter
    from previews.pull_request.pull_requests import PullRequests
    from previews.pulumi.stacks import Stacks


@dataclass(frozen=True)
class Clients:
    """GitHub, Pulumi, AWS and the cluster, as the environment names them."""

    settings: Settings = field(default_factory=Settings.read)

    @cached_property
    def github(self) -> GitHub:
        """The repository on GitHub."""
        from previews.github import GitHub

        return GitHub(self.settings)

    @cached_property
    def pulls(self) -> PullRequests:
        """Pull requests: GitHub's, or the working tree."""
        from previews.pull_request.pull_requests import LocalPullRequests

        return LocalPullRequests(self.settings) if self.settings.local else self.github.pulls

    def presenter(self, number: int, *, run_url: str = "") -> Presenter:
        """What shows people what becomes of a pull request's preview.

        Args:
            number: The pull request's number.
            run_url: Where the run of the workflow is shown; empty at home.
        """
        if self.settings.local:
            from previews.pull_request.terminal_presenter import TerminalPresenter

            return TerminalPresenter(f"pr-{number}")
        from previews.pull_request.github_presenter import PullRequestPresenter

        return PullRequestPresenter(self.github, number, run_url=run_url)

    @cached_property
    def stacks(self) -> Stacks:
        """The project's stacks, in whatever backend Pulumi is logged in to."""
        from previews.pulumi.stacks import Stacks

        return Stacks(self.settings)

    @cached_property
    def platform(self) -> PlatformOutputs:
        """The platform, as staging published it."""
        from previews.platform import read_platform

        return read_platform(self.stacks)

    @cached_property
    def aws(self) -> Session:
        """The AWS account, in the platform's region."""
        from boto3.session import Session

        return Session(region_name=self.platform.region)

    @cached_property
    def bypass(self) -> str | None:
        """What lets a test past the sign-in; None where people need none.

        Raises:
            PreviewsError: The secret can't be read.
        """
        from previews.lifecycle.bypass import read_bypass

        return read_bypass(self)

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster that all previews share."""
        from previews.kubernetes import Cluster

        return Cluster(self.platform.cluster.name)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every place in which something of a preview can be."""
        from previews.inventory.all import places

        return places(self)
