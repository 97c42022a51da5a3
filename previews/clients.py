"""Clients of the commands, made from the environment when they are first needed.

Each takes up to a second to import, and no command needs all of them. Only commands and the
sandbox use this module: operations take what they use as arguments, and import nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from contract.app.model import FILE
from contract.stack_name import AppName
from previews.errors import for_people
from previews.output import progress
from previews.settings import Settings, other_app

if TYPE_CHECKING:
    from boto3.session import Session
    from httpx import BaseTransport

    from contract.app.model import App
    from contract.platform_outputs import PlatformOutputs
    from contract.preview import Preview
    from previews.diagnosis.failure_report import FailureReport
    from previews.github import GitHub
    from previews.inventory import ResourceFinder
    from previews.kubernetes import Cluster
    from previews.lifecycle.app_files import AppFiles
    from previews.lifecycle.deciding import Deciding
    from previews.lifecycle.deploy import PreviewDeployment
    from previews.lifecycle.destroy import DestroyReport
    from previews.lifecycle.refresh import Refresh
    from previews.lifecycle.reset_database import ResetReport
    from previews.pull_request.github_presenter import PullRequestPresenter
    from previews.pull_request.presenter import Presenter
    from previews.pull_request.pull_requests import PullRequests, PullRequestState
    from previews.pulumi.locks import Locks
    from previews.pulumi.recovery import Recovered
    from previews.pulumi.resource_lookup import ResourceLookup
    from previews.pulumi.stacks import Stacks
    from previews.pulumi.state import StackState
    from previews.pulumi.up import UpResult


@dataclass(frozen=True)
class Clients:
    """Clients of GitHub, Pulumi, AWS and the cluster, and the operations composed of them.

    Attributes:
        settings: Settings from the environment.
        next_commands: Commands to show on the terminal when a preview is up.
    """

    settings: Settings = field(default_factory=Settings.read)
    next_commands: tuple[str, ...] = (
        "previews up {number}",
        "previews status {number}",
        "previews destroy {number}",
    )

    @cached_property
    def app(self) -> App:
        """The app's description.

        Raises:
            PreviewsError: It is missing or wrong, or describes another app.
        """
        from previews.app import read_description

        folder, name = self.settings.app_folder, self.settings.app_name
        app = read_description(folder)
        if app.app != name.value:
            # Where the app's repository is not checked out, this folder is the platform's own.
            raise other_app(str(folder / FILE), AppName(app.app), self.settings.environment)
        return app

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

    @cached_property
    def stacks(self) -> Stacks:
        """The project's stacks, in the backend that Pulumi is logged in to."""
        from previews.pulumi.stacks import Stacks

        return Stacks(self.settings, published=self._published)

    @cached_property
    def locks(self) -> Locks:
        """Locks of the stacks."""
        from previews.pulumi.locks import Locks

        return Locks(stacks=self.stacks, settings=self.settings, github=self.github)

    @cached_property
    def platform(self) -> PlatformOutputs:
        """The platform as the app's staging published it.

        Raises:
            PreviewsError: It is not published in the kubeconfig's current cluster.
        """
        from previews.platform import read_platform

        return read_platform(self._current_cluster, self._staging(self.settings.app_name))

    def _published(self, stack: str) -> str | None:
        """Return the text that a stack's program reads of staging; None where it reads none."""
        from contract.stack_name import PLATFORM_APP
        from previews.platform import STAGING, read_published

        app = self.settings.app_name
        if stack == STAGING and app.is_platform:
            return None
        # Another app's staging stands on the platform's own.
        publisher = PLATFORM_APP if stack == STAGING else app
        return read_published(self._current_cluster, self._staging(publisher))

    @staticmethod
    def _staging(app: AppName) -> str:
        from contract.stack_name import StackName
        from previews.platform import STAGING

        return StackName.parse(STAGING, app).namespace

    @cached_property
    def _current_cluster(self) -> Cluster:
        from previews.kubernetes import Cluster

        return Cluster.current()

    @cached_property
    def aws(self) -> Session:
        """The AWS account, in the platform's region."""
        from boto3.session import Session

        return Session(region_name=self.platform.region)

    @cached_property
    def bypass(self) -> str | None:
        """Token that lets a test past the sign-in; None where previews have no sign-in.

        That of the settings takes the place of the platform's own.

        Raises:
            PreviewsError: The secret can't be read.
        """
        from previews.lifecycle.smoke import read_bypass

        own = self.settings.bypass.get_secret_value()
        if own:
            return own
        arn = self.platform.sign_in.bypass_secret_arn
        return read_bypass(arn, aws=self.aws) if arn else None

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster that all previews share."""
        from previews.kubernetes import Cluster

        name = self.platform.cluster.name
        current = self._current_cluster
        return current if current.name == name else Cluster(name)

    @cached_property
    def places(self) -> tuple[ResourceFinder, ...]:
        """Finders of previews' resources."""
        from previews.inventory.all import all_finders

        return all_finders(
            aws=self.aws,
            cluster=self.cluster,
            github=self.github,
            platform=self.platform,
            settings=self.settings,
        )

    def preview(self, number: int) -> Preview:
        """Return the preview of a pull request for the app of the settings."""
        from contract.preview import Preview

        return Preview(number, self.settings.app_name)

    def presenter(
        self, preview: Preview, *, run_url: str = "", connect_to: str | None = None
    ) -> Presenter:
        """Return the presenter of a preview: its pull request, or the terminal.

        Args:
            preview: The preview.
            run_url: URL of the workflow run; empty outside CI.
            connect_to: As in `smoke`.
        """
        if self.settings.local:
            from previews.pull_request.terminal_presenter import TerminalPresenter

            return TerminalPresenter(
                preview.name,
                connect_to=connect_to,
                pulumi_log=self.settings.pulumi_log,
                next_commands=[
                    self._of_app(command.format(number=preview.number))
                    for command in self.next_commands
                ],
            )
        return self.pull_request_presenter(preview, run_url=run_url)

    def _of_app(self, command: str) -> str:
        """Return a command as it is typed for the app."""
        if self.settings.app_name.is_platform:
            return command
        return command.replace("previews ", f"previews --app {self.settings.app_folder} ", 1)

    def pull_request_presenter(
        self, preview: Preview, *, run_url: str = ""
    ) -> PullRequestPresenter:
        """Return the presenter that shows a preview in its pull request on GitHub."""
        from previews.pull_request.github_presenter import PullRequestPresenter

        return PullRequestPresenter(self.github, preview, run_url=run_url)

    def app_files(self, commit: str, root: Path) -> AppFiles:
        """Return the app's files at a commit, which are fetched into a folder from GitHub."""
        from previews.lifecycle.app_files import AppFiles

        return AppFiles(self.github, self.settings, commit, root)

    def describe(self, commit: str) -> App:
        """Return the app's description at a commit.

        Raises:
            PreviewsError: It can't be read, is wrong, or describes another app.
        """
        with TemporaryDirectory(prefix="previews-app-") as folder:
            return self.app_files(commit, Path(folder)).fetch_description()

    def deciding(self, preview: Preview, *, run_url: str = "", announce: bool = False) -> Deciding:
        """Prepare a decision about a pull request.

        Args:
            preview: Its preview.
            run_url: URL of the workflow run; empty outside CI.
            announce: True if the pull request shows the decision.
        """
        from previews.lifecycle.deciding import Deciding

        return Deciding(
            github=self.github,
            settings=self.settings,
            describe=self.describe,
            presenter=self.pull_request_presenter(preview, run_url=run_url) if announce else None,
        )

    def lookup(self, stack: str) -> ResourceLookup:
        """Return the look-up of a stack's resources, one by one, in AWS and the cluster."""
        from previews.pulumi.resource_lookup import ResourceLookup

        return ResourceLookup(stack, aws=lambda: self.aws, cluster=lambda: self.cluster)

    def recover(self, stack: str) -> tuple[Recovered, StackState]:
        """Complete a stack's state after a run that was killed; returns the state."""
        from previews.pulumi.recovery import recovered_state

        return recovered_state(stack, stacks=self.stacks, lookup=lambda: self.lookup(stack))

    def claim(self, stack: str) -> None:
        """Record this run as the one that works on an existing stack, and complete its state.

        Raises:
            PreviewsError: Another run holds the stack, or its state can't be completed.
        """
        self.locks.record_owner(stack)
        self.recover(stack)

    def adopt(self, stack: str) -> StackState:
        """Create a stack unless it exists; else complete its state after a run that was killed."""
        from previews.pulumi.recovery import create_or_recover

        return create_or_recover(
            stack, stacks=self.stacks, locks=self.locks, lookup=lambda: self.lookup(stack)
        )

    def diagnose(self, stack: str, result: UpResult, output: str) -> FailureReport:
        """Find out why a stack's `pulumi up` failed."""
        from contract.stack_name import StackName
        from previews.diagnosis.failure_report import diagnose

        namespace = StackName.parse(stack, self.settings.app_name).namespace
        return diagnose(lambda: self.cluster, namespace, result, output=output)

    def deployment(
        self,
        preview: Preview,
        pull: PullRequestState,
        presenter: Presenter,
        *,
        connect_to: str | None = None,
        tests_follow: bool = False,
        config: Mapping[str, str] | None = None,
        outdated: Callable[[], str | None] = lambda: None,
    ) -> PreviewDeployment:
        """Prepare a deployment.

        Args:
            preview: The preview.
            pull: Its pull request.
            presenter: Shows people the progress and the result.
            connect_to: As in `smoke`.
            tests_follow: True if the app's own tests are run after it.
            config: Configuration that stands for a checkout of the app, where there is none.
            outdated: Returns why it is not to be deployed any more; None if it is.
        """
        from previews.lifecycle.deploy import PreviewDeployment

        return PreviewDeployment(
            preview=preview,
            pull=pull,
            presenter=presenter,
            settings=self.settings,
            app=self.app,
            stacks=self.stacks,
            platform=lambda: self.platform,
            connect=lambda: self.cluster,
            bypass=lambda: self.bypass,
            adopt=self.adopt,
            diagnose=self.diagnose,
            connect_to=connect_to,
            tests_follow=tests_follow,
            through=lambda: self.smoke_through(preview.stack.namespace),
            check_inbound=self.check_inbound,
            config=config or {},
            outdated=outdated,
        )

    def smoke_through(self, namespace: str) -> BaseTransport | None:
        """Return the transport of smoke tests of a namespace; None for the app's address."""
        if self.settings.smoke == "url":
            return None
        from previews.lifecycle.service_proxy import ServiceProxy

        return ServiceProxy(self.cluster, namespace, self.app)

    def check_inbound(self) -> None:
        """Check that the load balancer lets in the networks that were asked for, and no other.

        Raises:
            PreviewsError: It lets in others, or nobody can tell.
        """
        from previews.lifecycle.inbound import check_inbound

        check_inbound(self.platform.ingress, aws=self.aws)

    def destroy(self, preview: Preview, *, leftovers: bool, run_url: str = "") -> DestroyReport:
        """Remove a preview, and show that in its pull request or on the terminal."""
        from previews.lifecycle.destroy import destroy

        presenter = self.presenter(preview, run_url=run_url)
        try:
            report = destroy(
                preview,
                stacks=self.stacks,
                places=lambda: self.places,
                locks=self.locks,
                recover=self.recover,
                connect=lambda: self.cluster,
                leftovers=leftovers,
            )
        except (Exception, KeyboardInterrupt) as error:
            presenter.not_removed(for_people(preview.name, error))
            raise
        presenter.removed(report)
        return report

    def refresh(self) -> Refresh:
        """Prepare a refresh of the data for new previews in mode `branch`."""
        from previews.lifecycle.refresh import Refresh

        return Refresh(
            stacks=self.stacks,
            locks=self.locks,
            recover=self.recover,
            cluster=self.cluster,
            app=self.settings.app_name,
        )

    def reset_database(
        self,
        preview: Preview,
        *,
        run_url: str = "",
        connect_to: str | None = None,
    ) -> ResetReport:
        """Replace a preview's data by a fresh copy; arguments as in `deployment`."""
        from previews.lifecycle.reset_database import reset_database

        def deployment(commit: str, root: Path) -> PreviewDeployment:
            clients, config = self._at(commit, root)
            pull = self.pulls.read(preview.number)
            presenter = self.presenter(preview, run_url=run_url, connect_to=connect_to)
            return clients.deployment(
                preview, pull, presenter, connect_to=connect_to, config=config
            )

        with TemporaryDirectory(prefix="previews-app-") as root:
            return reset_database(
                preview,
                stacks=self.stacks,
                connect=lambda: self.cluster,
                deployment=lambda commit: deployment(commit, Path(root)),
                current_comment=lambda: self.current_comment(
                    preview, connect_to=connect_to, reset=True
                ),
                presenter=self._presenter_if_any(preview, run_url),
                run=run_url,
            )

    def _at(self, commit: str, root: Path) -> tuple[Clients, dict[str, str]]:
        """Return clients with the app's files of a commit, and the configuration for them.

        Where the app's repository is checked out, its files are those of the checkout.
        """
        if self.settings.repository_folder is None:
            return self, {}
        return self.fetched(self.app_files(commit, root))

    def fetched(self, files: AppFiles) -> tuple[Clients, dict[str, str]]:
        """Fetch an app's files; return clients with them, and the configuration for them.

        Raises:
            PreviewsError: One can't be read, or the description is wrong.
        """
        clients = Clients(files.fetch(), self.next_commands)
        # What does not depend on the app's files stays as it is.
        known = {"github", "platform", "aws", "cluster"} & self.__dict__.keys()
        clients.__dict__.update({name: self.__dict__[name] for name in known})
        return clients, files.config()

    def current_comment(
        self, preview: Preview, *, connect_to: str | None = None, reset: bool = False
    ) -> str:
        """Render the comment of a preview that is up.

        Args:
            preview: The preview.
            connect_to: As in `smoke`.
            reset: True if its database was just reset.
        """
        from previews.pull_request.github_presenter import current_comment

        return current_comment(
            preview,
            stacks=self.stacks,
            platform=lambda: self.platform,
            pulls=self.pulls,
            settings=self.settings,
            connect=lambda: self.cluster,
            connect_to=connect_to,
            reset=reset,
        )

    def _presenter_if_any(self, preview: Preview, run_url: str) -> PullRequestPresenter | None:
        """Return the presenter on GitHub; None where there is no GitHub, as on a sandbox."""
        settings = self.settings
        if settings.local:
            return None
        if not (settings.github_repository and settings.github_token.get_secret_value()):
            progress(f"{preview}: GITHUB_REPOSITORY or GITHUB_TOKEN is not set: no comment")
            return None
        return self.pull_request_presenter(preview, run_url=run_url)
