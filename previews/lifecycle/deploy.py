"""Brings a pull request's preview up, and shows people how it goes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from previews.diagnosis import migration_log
from previews.diagnosis.diagnose import UpFailedError, diagnose
from previews.diagnosis.migration_log import MigrationLog
from previews.errors import PreviewsError
from previews.lifecycle.label_config import label_config
from previews.lifecycle.smoke import SmokeReport, smoke
from previews.lifecycle.terminating import is_ending, still_ending
from previews.pull_request.presenter import Arrival, Failure, Presenter
from previews.pulumi.lock_files import is_pulumi_cloud
from previews.pulumi.progress import State, Step, StepState
from previews.pulumi.recovery import take_over
from previews.pulumi.stack_file import unset
from previews.pulumi.up import Outcome, run_up
from previews.reporting import prices
from previews.reporting.preview_summary import Facts, facts_of
from previews.reporting.wording import duration
from previews.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.pull_request.pull_requests import PullRequestFacts
    from previews.pulumi.state import StackState

_BUILT = ("previews:image", "previews:commit")
_NAMESPACE = "kubernetes:core/v1:Namespace"
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
_DATABASE = re.compile(r"^aws:rds/instance:Instance$|^kubernetes:.+:DatabaseBranch$")


class UpReport(BaseModel):
    """What became of it.

    Attributes:
        stack: The preview.
        url: Its address.
        commit: The commit that it is at.
        seconds: How long it took.
        steps: What was done.
        migration: What the migration said; None where nobody could be asked.
        smoke: What was looked at in the end.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    url: str
    commit: str
    seconds: float
    steps: tuple[StepState, ...]
    migration: MigrationLog | None
    smoke: SmokeReport

    def text(self) -> str:
        """What a person reads."""
        return f"[green]✓[/] {self.stack} is up after {duration(self.seconds)}: {self.url}"


class BringUp:
    """One bringing up of one preview."""

    def __init__(
        self,
        clients: Clients,
        stack: str,
        pull: PullRequestFacts,
        presenter: Presenter,
        *,
        through: str | None = None,
        bypass: str | None = None,
    ) -> None:
        """Do nothing yet.

        Args:
            clients: Whom to ask.
            stack: The preview's stack.
            pull: The pull request, read after the run got its turn.
            presenter: What shows it.
            through: As in `smoke`.
            bypass: As in `smoke`.
        """
        self._clients = clients
        self._stack = stack
        self._pull = pull
        self._presenter = presenter
        self._through = through
        self._bypass = bypass
        self._began = time.monotonic()

    def run(
        self, *, image: str | None, commit: str | None = None, reset_database: bool = False
    ) -> UpReport:
        """Bring it up.

        Args:
            image: Digest of the image that was built for it; None lets the program build it.
            commit: What the image was built of; None for the checkout's own commit.
            reset_database: Whether its database is removed first, and begins anew.

        Raises:
            PreviewsError: It did not come up, or is not what it should be. The presenter has
                shown why.
        """
        self._presenter.begin(commit or self._pull.head_sha)
        try:
            return self._bring_up(image, commit, reset_database=reset_database)
        except UpFailedError:
            raise
        except PreviewsError as error:
            self._presenter.stopped(error)
            raise

    def _bring_up(self, image: str | None, commit: str | None, *, reset_database: bool) -> UpReport:
        stacks = self._clients.stacks
        # What an earlier run left half done: its lock, and what it made without writing it down.
        state = take_over(self._clients, self._stack)
        self._require_namespace(state)
        before = state.outputs
        served = str(before.get("commit") or "")
        config = self._config(image, commit, living=before.get("databaseMode"))
        if image is None:
            # A reset of the data has set what was served; the program is to build and name anew.
            unset(self._clients.settings.project, self._stack, _BUILT)
        if reset_database:
            stacks.remove_targets(self._stack, self._databases())
        with ThreadPoolExecutor(1) as meanwhile:
            # The cluster's client, for what is asked of it afterwards, takes a second to import.
            meanwhile.submit(self._connect)
            outcome = run_up(stacks, self._stack, config=config, watch=self._presenter.working)
        if not outcome.succeeded:
            raise self._failure(outcome.states, outcome, said=outcome.said, still=served)
        facts = self._facts()
        report = self._smoke(facts, outcome)
        if not report.passed:
            steps = (*outcome.states, StepState(step=Step.SMOKE, state=State.FAILED))
            said = f"smoke test of {facts.url}:\n" + "\n".join(report.failures())
            raise self._failure(steps, outcome, said=said, still="")
        return self._success(facts, outcome, report)

    def _require_namespace(self, state: StackState) -> None:
        """Notice a destroy that was interrupted, before anything is made for nothing.

        The Ingress is the last to come and the first to go. A state that has the namespace
        without it may be that of a preview that was being removed.

        Raises:
            PreviewsError: The namespace is still being removed.
        """
        kinds = {resource.type for resource in state.resources if not resource.delete}
        if _NAMESPACE not in kinds or _INGRESS in kinds:
            return
        namespace = self._clients.cluster.find("namespaces", self._stack)
        if namespace is None:
            # What went with it is in the state, and would be taken to be there.
            self._clients.stacks.refresh(self._stack)
        elif is_ending(namespace.raw):
            raise still_ending(namespace.raw)

    def _config(
        self, image: str | None, commit: str | None, *, living: str | None
    ) -> dict[str, str]:
        """What this pull request's preview has of its own."""
        given = {"previews:image": image, "previews:commit": commit}
        return label_config(self._pull.labels, living=living) | {
            key: value for key, value in given.items() if value
        }

    def _smoke(self, facts: Facts, outcome: Outcome) -> SmokeReport:
        running = StepState(step=Step.SMOKE, state=State.RUNNING)
        self._presenter.working((*outcome.states, running))
        return smoke(
            facts.url,
            commit=facts.commit,
            contract=PROJECT_ROOT / "openapi.json",
            through=self._through,
            bypass=self._bypass or self._clients.bypass,
        )

    def _success(self, facts: Facts, outcome: Outcome, report: SmokeReport) -> UpReport:
        self._label_stack(facts)
        seconds = time.monotonic() - self._began
        migration = migration_log.read(self._connect, self._stack)
        kept = self._clients.settings.keep_label in self._pull.labels
        self._presenter.up(Arrival(facts, outcome.states, seconds, migration, kept))
        return UpReport(
            stack=self._stack,
            url=facts.url,
            commit=facts.commit,
            seconds=seconds,
            steps=outcome.states,
            migration=migration,
            smoke=report,
        )

    def _failure(
        self, states: Sequence[StepState], outcome: Outcome, *, said: str, still: str
    ) -> PreviewsError:
        found = diagnose(self._clients, self._stack, outcome, said=said)
        self._presenter.failed(Failure(found, states, self._migrated(outcome), still))
        return UpFailedError.of(self._stack, found)

    def _migrated(self, outcome: Outcome) -> MigrationLog | None:
        """What this time's migration said; the log of an older one is still there, too."""
        began = {State.DONE, State.FAILED}
        if not any(s.step is Step.MIGRATE and s.state in began for s in outcome.states):
            return None
        return migration_log.read(self._connect, self._stack)

    def _connect(self) -> Any:
        return self._clients.cluster.api

    def _databases(self) -> list[str]:
        """URNs of what holds its data: an instance of its own, or a branch of a shared one."""
        resources = self._clients.stacks.state(self._stack).resources
        return [one.urn for one in resources if _DATABASE.search(one.type) and not one.delete]

    def _facts(self) -> Facts:
        state = self._clients.stacks.state(self._stack)
        return facts_of(state, region=self._clients.platform.region, prices=prices.read())

    def _label_stack(self, facts: Facts) -> None:
        """What Pulumi Cloud's dashboard shows beside the stack's name; others have none."""
        if not is_pulumi_cloud(self._clients.stacks.backend_url()):
            return
        tags = {
            "url": facts.url,
            "commit": facts.commit,
            "pull-request": str(self._pull.number),
            "expires": facts.expires.isoformat() if facts.expires else "never",
        }
        for name, value in tags.items():
            self._clients.stacks.tag(self._stack, name, value)
