"""Brings a pull request's preview up, and shows in the pull request how it goes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from previews import autopsy as autopsies
from previews import comment_text, migration_log, prices
from previews.autopsy import Autopsy, Evidence
from previews.errors import PreviewsError
from previews.evidence import collect
from previews.facts import Facts, facts_of
from previews.label_config import label_config
from previews.locks import Locks
from previews.migration_log import MigrationLog
from previews.presenter import Presenter
from previews.recovery import recover
from previews.run_up import Outcome, run_up
from previews.settings import PROJECT_ROOT
from previews.smoke import SmokeReport, smoke
from previews.steps import State, Step, StepState
from previews.wording import duration

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.github.pulls import PullRequest

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


class _ToldError(PreviewsError):
    """A failure that the pull request shows already."""


class BringUp:
    """One bringing up of one preview."""

    def __init__(
        self,
        clients: Clients,
        stack: str,
        pull: PullRequest,
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
        self._began = datetime.now(UTC)

    def run(
        self, *, image: str | None, commit: str | None = None, reset_database: bool = False
    ) -> UpReport:
        """Bring it up.

        Args:
            image: Digest of the image that was built for it; None lets the program build it.
            commit: What the image was built of; None for the checkout's own commit.
            reset_database: Whether its database is removed first, and begins anew.

        Raises:
            PreviewsError: It did not come up, or is not what it should be. The pull request
                shows why.
        """
        self._presenter.begin(commit or self._pull.head_sha)
        self._watch(())
        try:
            return self._bring_up(image, commit, reset_database=reset_database)
        except _ToldError:
            raise
        except PreviewsError as error:
            self._tell(error)
            raise

    def _bring_up(self, image: str | None, commit: str | None, *, reset_database: bool) -> UpReport:
        stacks = self._clients.stacks
        stacks.create(self._stack)
        # What an earlier run left half done: its lock, and what it made without writing it down.
        Locks(self._clients).take_note(self._stack)
        recover(self._clients, self._stack)
        before = stacks.outputs(self._stack)
        served = str(before.get("commit") or "")
        config = self._config(image, commit, living=before.get("databaseMode"))
        if reset_database:
            stacks.remove_targets(self._stack, self._databases())
        outcome = run_up(stacks, self._stack, config=config, watch=self._watch)
        if not outcome.succeeded:
            raise self._failure(outcome.states, outcome, said=outcome.said, still=served)
        facts = self._facts()
        report = smoke(
            facts.url,
            commit=facts.commit,
            contract=PROJECT_ROOT / "openapi.json",
            through=self._through,
            bypass=self._bypass or self._clients.bypass,
        )
        if not report.passed:
            steps = (*outcome.states, StepState(step=Step.SMOKE, state=State.FAILED))
            said = f"smoke test of {facts.url}:\n" + "\n".join(report.failures())
            raise self._failure(steps, outcome, said=said, still="")
        return self._success(facts, outcome, report)

    def _config(
        self, image: str | None, commit: str | None, *, living: str | None
    ) -> dict[str, str]:
        """What this pull request's preview has of its own."""
        given = {"previews:image": image, "previews:commit": commit}
        return label_config(self._pull.labels, living=living) | {
            key: value for key, value in given.items() if value
        }

    def _success(self, facts: Facts, outcome: Outcome, report: SmokeReport) -> UpReport:
        self._label_stack(facts)
        now = datetime.now(UTC)
        seconds = (now - self._began).total_seconds()
        migration = migration_log.read(self._connect, self._stack)
        self._presenter.show(
            comment_text.up(
                facts,
                outcome.states,
                seconds=seconds,
                migration=migration,
                kept=self._clients.settings.keep_label in self._pull.labels,
                now=now,
                run=self._presenter.run_url,
            )
        )
        self._presenter.succeed(facts.url, f"up after {duration(seconds)}")
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
        found = self._autopsy(outcome, said)
        run = self._presenter.run_url
        self._presenter.show(
            comment_text.failed(
                self._stack,
                self._pull.head_sha,
                found,
                states,
                migration=self._migrated(outcome),
                still=still,
                run=run,
            )
        )
        self._presenter.fail(found.cause.why)
        what = found.failed[0].gist if found.failed else ""
        return _ToldError(
            "up-failed",
            self._stack,
            why=f"{found.cause.why} ({found.cause.code})" + (f": {what}" if what else ""),
            remedy=found.cause.remedy,
        )

    def _tell(self, error: PreviewsError) -> None:
        """Say what stopped it where Pulumi did not: before, between, or after."""
        self._presenter.show(
            comment_text.failed(
                self._stack,
                self._pull.head_sha,
                autopsies.of_error(error),
                (),
                run=self._presenter.run_url,
            )
        )
        self._presenter.fail(error.what)

    def _autopsy(self, outcome: Outcome, said: str) -> Autopsy:
        # Where Pulumi never came to the cluster, there is nothing in it to look at.
        asked = any(state.state is not State.WAITING for state in outcome.states)
        evidence = collect(self._connect, self._stack) if asked else Evidence()
        return autopsies.perform(outcome.events, evidence, said=said)

    def _migrated(self, outcome: Outcome) -> MigrationLog | None:
        """What this time's migration said; the log of an older one is still there, too."""
        began = {State.DONE, State.FAILED}
        if not any(s.step is Step.MIGRATE and s.state in began for s in outcome.states):
            return None
        return migration_log.read(self._connect, self._stack)

    def _watch(self, states: tuple[StepState, ...]) -> None:
        """Show how far it is; told from a thread of its own."""
        text = comment_text.working(
            self._stack,
            self._pull.head_sha,
            states,
            since=self._began,
            now=datetime.now(UTC),
            run=self._presenter.run_url,
        )
        self._presenter.show(text, soon=bool(states))

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
        """What Pulumi Cloud's dashboard shows beside the stack's name."""
        tags = {
            "url": facts.url,
            "commit": facts.commit,
            "pull-request": str(self._pull.number),
            "expires": facts.expires.isoformat() if facts.expires else "never",
        }
        for name, value in tags.items():
            self._clients.stacks.tag(self._stack, name, value)
