"""Deployment of a pull request's preview, which people can follow."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from contract.preview import Preview
from previews.diagnosis import migration_report
from previews.diagnosis.failure_report import UpFailedError
from previews.diagnosis.hook_logs import HookRun, read_logs
from previews.diagnosis.migration_report import MigrationLog
from previews.errors import PreviewsError, for_people
from previews.lifecycle.label_config import label_config
from previews.lifecycle.smoke import SmokeReport, running_image, smoke
from previews.lifecycle.terminating import is_terminating, termination_error
from previews.pull_request.presenter import DeployedPreview, DeployFailure, Presenter
from previews.pulumi.lock_files import is_pulumi_cloud
from previews.pulumi.progress import HOOKS, State, Step, StepState
from previews.pulumi.stack_file import unset
from previews.pulumi.up import UpResult, pulumi_up
from previews.reporting import prices
from previews.reporting.preview_summary import PreviewSummary, summarize
from previews.reporting.wording import duration
from previews.settings import Settings

if TYPE_CHECKING:
    from httpx import BaseTransport

    from contract.app.model import App
    from contract.platform_outputs import PlatformOutputs
    from previews.diagnosis.failure_report import FailureReport
    from previews.kubernetes import Cluster
    from previews.lifecycle.image_archives import Images
    from previews.pull_request.pull_requests import PullRequestState
    from previews.pulumi.stacks import Stacks
    from previews.pulumi.state import StackState

_BUILT = ("previews:image", "previews:webImages", "previews:commit", "previews:source")
_NAMESPACE = "kubernetes:core/v1:Namespace"
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
_DATABASE = re.compile(r"^aws:rds/instance:Instance$|^kubernetes:.+:DatabaseBranch$")


class OutdatedError(Exception):
    """A deployment that is not wanted any more; its text is the reason. Nothing was deployed."""


class DeployReport(BaseModel):
    """Result of a deployment.

    Attributes:
        stack: Name of the preview.
        url: Its URL.
        commit: The commit that it runs.
        seconds: Duration.
        steps: The steps and their results.
        migration: Log of the migration; None where it can't be read.
        hooks: Hooks that were run, and their logs.
        smoke: Results of the smoke test.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    url: str
    commit: str
    seconds: float
    steps: tuple[StepState, ...]
    migration: MigrationLog | None
    hooks: tuple[HookRun, ...] = ()
    smoke: SmokeReport

    def text(self) -> str:
        """Return the report for people."""
        return f"[green]✓[/] {self.stack} is up after {duration(self.seconds)}: {self.url}"


@dataclass(frozen=True, kw_only=True)
class PreviewDeployment:
    """One deployment of one preview.

    What is slow or fails on its own is a function, which is called when it is first needed.

    Attributes:
        preview: The preview.
        pull: The pull request, read after the run's turn came.
        presenter: Shows people the progress and the result.
        settings: Names of the labels, and the folder of the project.
        app: The app's description.
        stacks: The project's stacks.
        platform: Reads the platform's outputs.
        connect: Connects to the cluster.
        bypass: Reads the token that lets a test past the sign-in.
        adopt: Creates the stack, or completes its state after a run that was killed.
        diagnose: Finds out why a `pulumi up` failed, from its outcome and a message.
        connect_to: As in `smoke`.
        tests_follow: True if the app's own tests are run after it.
        through: Returns the transport of the smoke test; None for the app's address.
        check_inbound: Checks which networks the load balancer lets in.
        config: Configuration that stands for a checkout of the app, where there is none.
        outdated: Returns why the commit is not to be deployed any more; None if it is.
    """

    preview: Preview
    pull: PullRequestState
    presenter: Presenter
    settings: Settings
    app: App
    stacks: Stacks
    platform: Callable[[], PlatformOutputs]
    connect: Callable[[], Cluster]
    bypass: Callable[[], str | None]
    adopt: Callable[[str], StackState]
    diagnose: Callable[[str, UpResult, str], FailureReport]
    connect_to: str | None = None
    tests_follow: bool = False
    through: Callable[[], BaseTransport | None] = lambda: None
    check_inbound: Callable[[], None] = lambda: None
    config: Mapping[str, str] = field(default_factory=dict)
    outdated: Callable[[], str | None] = lambda: None
    _began: float = field(default_factory=time.monotonic)

    def run(
        self,
        *,
        images: Callable[[], Images] | None,
        commit: str | None = None,
        reset_database: bool = False,
        unchanged: Sequence[str] = (),
    ) -> DeployReport:
        """Deploy the preview.

        Args:
            images: Pushes the images that were built for it, or names those that are there; None
                lets the program build them.
            commit: Commit that the image was built from; None for the checkout's own.
            reset_database: True if its database is deleted first, and created again.
            unchanged: URNs of resources that stay as they are, whatever the program declares.

        Raises:
            PreviewsError: The deployment or its smoke test failed. The presenter has shown why, as
                it does of any other error.
            OutdatedError: It is not wanted any more.
        """
        self.presenter.begin(commit or self.pull.head_sha)
        try:
            return self._deploy(images, commit, reset_database, unchanged)
        except (UpFailedError, OutdatedError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            # Otherwise people would see for ever that it is being deployed.
            self.presenter.stopped(for_people(self.preview.name, error))
            raise

    def _deploy(
        self,
        images: Callable[[], Images] | None,
        commit: str | None,
        reset_database: bool,
        unchanged: Sequence[str],
    ) -> DeployReport:
        stack = self.preview.stack.value
        given = None if images is None else images()
        # Pushing took minutes, and a stack that is created for nothing stays.
        self._require_wanted()
        # A run that was killed leaves its lock, and resources that it had not recorded.
        state = self.adopt(stack)
        self._require_namespace(state)
        before = state.outputs
        served = str(before.get("commit") or "")
        # What an earlier `up` has set: now it may be the program that builds and names an image.
        unset(self.settings.project_folder, stack, _BUILT)
        config = self._config(given, commit, current=before.get("databaseMode"))
        if reset_database:
            self.stacks.remove_targets(stack, self._databases())
        # The stack is recorded as this run's: a removal that began before is over, and one that
        # begins now meets the lock, or leaves no stack to deploy to.
        self._require_wanted()
        with ThreadPoolExecutor(1) as meanwhile:
            # The cluster's client, which is needed afterwards, takes a second to import.
            meanwhile.submit(self.connect)
            outcome = pulumi_up(
                self.stacks,
                stack,
                config=config,
                options=[word for urn in unchanged for word in ("--exclude", urn)],
                watch=self.presenter.working,
            )
        if not outcome.succeeded:
            rolled_out = any(s.step in HOOKS and s.state is State.FAILED for s in outcome.states)
            still = "" if rolled_out else served
            raise self._failure(outcome.states, outcome, message=outcome.output, still=still)
        self.check_inbound()
        found = self._summary()
        report = self._smoke(found, outcome, image=self._image())
        if not report.passed:
            steps = (*outcome.states, StepState(step=Step.SMOKE, state=State.FAILED))
            message = f"smoke test of {found.url}:\n" + "\n".join(report.failures())
            raise self._failure(steps, outcome, message=message, still="")
        return self._success(found, outcome, report)

    def _require_wanted(self) -> None:
        reason = self.outdated()
        if reason is not None:
            raise OutdatedError(reason)

    def _require_namespace(self, state: StackState) -> None:
        """Detect an interrupted destroy before anything is created for nothing.

        The Ingress is the last to be created and the first to be deleted. A state that has the
        namespace without it may be that of a preview that was being removed.

        Raises:
            PreviewsError: The namespace is still terminating.
        """
        types = {resource.type for resource in state.resources if not resource.delete}
        if _NAMESPACE not in types or _INGRESS in types:
            return
        namespace = self.connect().find("namespaces", self.preview.name)
        if namespace is None:
            # The state still has what was deleted with it, and Pulumi would not create it again.
            self.stacks.refresh(self.preview.stack.value)
        elif is_terminating(namespace.raw):
            raise termination_error(namespace.raw)

    def _config(
        self, images: Images | None, commit: str | None, *, current: str | None
    ) -> dict[str, str]:
        """Return the configuration that is this pull request's own."""
        return {
            **label_config(self.pull.labels, current=current),
            **self.config,
            **({} if images is None else images.config()),
            **({} if commit is None else {"previews:commit": commit}),
        }

    def _image(self) -> str:
        return str(self.stacks.outputs(self.preview.stack.value)["image"])

    def _smoke(self, found: PreviewSummary, outcome: UpResult, *, image: str) -> SmokeReport:
        running = StepState(step=Step.SMOKE, state=State.RUNNING)
        self.presenter.working((*outcome.states, running))
        return smoke(
            found.url,
            self.app,
            folder=self.settings.app_folder,
            commit=found.commit,
            connect_to=self.connect_to,
            bypass=self.bypass(),
            running=lambda: running_image(self.connect(), self.preview.stack.namespace, image),
            through=self.through(),
            signed_in=found.sign_in,
        )

    def _success(
        self, found: PreviewSummary, outcome: UpResult, report: SmokeReport
    ) -> DeployReport:
        self._tag_stack(found)
        seconds = time.monotonic() - self._began
        migration = migration_report.read(self.connect, self.preview.name)
        kept = self.settings.keep_label in self.pull.labels
        hooks = self._hooks(outcome.states)
        self.presenter.up(
            DeployedPreview(
                found, outcome.states, seconds, migration, kept, hooks, self.tests_follow
            )
        )
        return DeployReport(
            stack=self.preview.name,
            url=found.url,
            commit=found.commit,
            seconds=seconds,
            steps=outcome.states,
            migration=migration,
            hooks=hooks,
            smoke=report,
        )

    def _failure(
        self, states: Sequence[StepState], outcome: UpResult, *, message: str, still: str
    ) -> PreviewsError:
        found = self.diagnose(self.preview.stack.value, outcome, message)
        self.presenter.failed(DeployFailure(found, states, self._migrated(outcome), still))
        return UpFailedError.of(self.preview.name, found)

    def _migrated(self, outcome: UpResult) -> MigrationLog | None:
        """Read the log of this run's migration; the log of an older one is still there, too."""
        began = {State.DONE, State.FAILED}
        if not any(s.step is Step.MIGRATE and s.state in began for s in outcome.states):
            return None
        return migration_report.read(self.connect, self.preview.name)

    def _hooks(self, states: Sequence[StepState]) -> tuple[HookRun, ...]:
        """Read the logs of the hooks that this run has run."""
        ran = [HOOKS[s.step] for s in states if s.step in HOOKS and s.state is State.DONE]
        return read_logs(self.connect, self.preview.stack.namespace, ran)

    def _databases(self) -> list[str]:
        """Return the URNs of the database: an instance of its own, or a branch of a shared one."""
        resources = self.stacks.state(self.preview.stack.value).resources
        return [one.urn for one in resources if _DATABASE.search(one.type) and not one.delete]

    def _summary(self) -> PreviewSummary:
        state = self.stacks.state(self.preview.stack.value)
        return summarize(
            state,
            region=self.platform().region,
            prices=prices.read(),
            name=self.preview.name,
            ttl_days=self.settings.ttl_days,
        )

    def _tag_stack(self, found: PreviewSummary) -> None:
        """Set tags that Pulumi Cloud shows beside the stack's name; other backends show none."""
        if not is_pulumi_cloud(self.stacks.backend_url()):
            return
        tags = {
            "url": found.url,
            "commit": found.commit,
            "pull-request": str(self.preview.number),
            "expires": found.expires.isoformat() if found.expires else "never",
        }
        for name, value in tags.items():
            self.stacks.tag(self.preview.stack.value, name, value)
