"""The steps of a deployment that people see, derived from engine events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from contract.kubernetes import AFTER_DEPLOY, MIGRATE, SEED
from previews.pulumi.events import EngineEvent, ResourceOperation, Summary

_JOB = "kubernetes:batch/v1:Job"


class Step(StrEnum):
    """A step, in the order in which they happen."""

    IMAGE = "image"
    DATABASE = "database"
    NAMESPACE = "namespace and secrets"
    PREPARE = "prepare the database"
    MIGRATE = "migrate"
    ROLLOUT = "roll the service out"
    ADDRESS = "address"
    SEED = "hook seed"
    AFTER_DEPLOY = "hook after-deploy"
    SMOKE = "smoke test"


class State(StrEnum):
    """The progress of a step."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SAME = "unchanged"
    FAILED = "failed"


class StepState(BaseModel):
    """A step and its progress.

    Attributes:
        step: The step.
        state: Its progress.
        seconds: Its duration; None until it is over.
        detail: The last message about its resource.
    """

    model_config = ConfigDict(frozen=True)

    step: Step
    state: State = State.WAITING
    seconds: int | None = None
    detail: str = ""


_TYPES: Mapping[str, Step] = {
    "docker-build:index:Image": Step.IMAGE,
    "aws:rds/instance:Instance": Step.DATABASE,
    "kubernetes:core/v1:Namespace": Step.NAMESPACE,
    "kubernetes:external-secrets.io/v1:ExternalSecret": Step.NAMESPACE,
    "kubernetes:external-secrets.io/v1:SecretStore": Step.NAMESPACE,
    "kubernetes:apps/v1:Deployment": Step.ROLLOUT,
    "kubernetes:networking.k8s.io/v1:Ingress": Step.ADDRESS,
}

_JOBS: Mapping[str, Step] = {
    "prepare": Step.PREPARE,
    MIGRATE: Step.MIGRATE,
    SEED: Step.SEED,
    AFTER_DEPLOY: Step.AFTER_DEPLOY,
}
HOOKS: Mapping[Step, str] = {Step.SEED: SEED, Step.AFTER_DEPLOY: AFTER_DEPLOY}
"""Steps that only some apps have, and the names of their hooks."""


def step_of(operation: ResourceOperation) -> Step | None:
    """Return the step of a resource; None for one that no step waits for."""
    if operation.type == _JOB:
        # Any other Job branches, drops or resets a database.
        return _JOBS.get(operation.name, Step.DATABASE)
    return _TYPES.get(operation.type)


@dataclass
class _Track:
    """The operations of one step so far."""

    open: int = 0
    began: int = 0
    ended: int = 0
    changed: bool = False
    seen: bool = False
    failed: bool = False
    detail: str = ""

    def state(self) -> State:
        if self.failed:
            return State.FAILED
        if self.open:
            return State.RUNNING
        if not self.seen:
            return State.WAITING
        return State.DONE if self.changed else State.SAME


class Progress:
    """The states of the steps, folded from events."""

    def __init__(self) -> None:
        self.summary: Summary | None = None
        self._tracks: dict[Step, _Track] = {s: _Track() for s in Step if s is not Step.SMOKE}
        self._steps: dict[str, Step] = {}

    def add(self, events: Iterable[EngineEvent]) -> None:
        """Add further events."""
        for event in events:
            self._add(event)

    def states(self) -> tuple[StepState, ...]:
        """Return the state of every step that Pulumi does, in order; of hooks once they begin."""
        over = self.summary is not None
        return tuple(
            self._state(step, track, over=over)
            for step, track in self._tracks.items()
            if track.seen or step not in HOOKS
        )

    def _state(self, step: Step, track: _Track, *, over: bool) -> StepState:
        state = track.state()
        if over and state is State.RUNNING:
            # It was running when another one failed, and stopped with the whole.
            state = State.DONE if track.changed else State.SAME
        is_over = state in {State.DONE, State.FAILED}
        seconds = max(track.ended - track.began, 0) if is_over else None
        detail = track.detail if state is State.RUNNING else ""
        return StepState(step=step, state=state, seconds=seconds, detail=detail)

    def _add(self, event: EngineEvent) -> None:
        if event.summary is not None:
            self.summary = event.summary
        elif event.diagnostic is not None and event.diagnostic.urn in self._steps:
            step = self._steps[event.diagnostic.urn]
            self._tracks[step].detail = event.diagnostic.message.strip()
        for part in (event.began, event.ended, event.failed):
            if part is not None:
                self._move(part.metadata, event)

    def _move(self, operation: ResourceOperation, event: EngineEvent) -> None:
        step = step_of(operation)
        # `replace` stands for the two operations that a replacement consists of.
        if step is None or operation.op in {"replace", "delete-replaced", "delete"}:
            return
        self._steps[operation.urn] = step
        track = self._tracks[step]
        track.seen = True
        track.changed = track.changed or operation.is_change
        if event.began is not None:
            if operation.is_change:
                track.began = track.began or event.timestamp
                track.open += 1
        else:
            track.ended = event.timestamp
            track.open = max(track.open - 1, 0)
            track.failed = track.failed or event.failed is not None
