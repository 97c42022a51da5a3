"""The steps in which a preview comes up, as a person thinks of them, told from engine events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from previews.pulumi.events import About, EngineEvent, Summary

_JOB = "kubernetes:batch/v1:Job"


class Step(StrEnum):
    """One step, in the order in which they come."""

    IMAGE = "image"
    DATABASE = "database"
    NAMESPACE = "namespace and secrets"
    PREPARE = "prepare the database"
    MIGRATE = "migrate"
    ROLLOUT = "roll the service out"
    ADDRESS = "address"
    SMOKE = "smoke test"


class State(StrEnum):
    """How far a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SAME = "unchanged"
    FAILED = "failed"


class StepState(BaseModel):
    """A step and how far it is.

    Attributes:
        step: The step.
        state: How far it is.
        seconds: How long it took; None while it is not over.
        detail: What its resource last said of itself.
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


def step_of(about: About) -> Step | None:
    """The step that a resource belongs to; None for one that nobody waits for."""
    if about.type == _JOB:
        name = about.name.partition("-")[0]
        jobs = {"prepare": Step.PREPARE, "migrate": Step.MIGRATE}
        # A database that is branched, dropped or renewed by a Job.
        return jobs.get(name, Step.DATABASE)
    return _TYPES.get(about.type)


@dataclass
class _Track:
    """One step while it is followed."""

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
    """Folds events into the states of the steps."""

    def __init__(self) -> None:
        self.summary: Summary | None = None
        self._tracks: dict[Step, _Track] = {s: _Track() for s in Step if s is not Step.SMOKE}
        self._steps: dict[str, Step] = {}

    def add(self, events: Iterable[EngineEvent]) -> None:
        """Take further events in."""
        for event in events:
            self._add(event)

    def states(self) -> tuple[StepState, ...]:
        """Every step that Pulumi does, in order."""
        over = self.summary is not None
        return tuple(self._state(step, track, over=over) for step, track in self._tracks.items())

    def _state(self, step: Step, track: _Track, *, over: bool) -> StepState:
        state = track.state()
        if over and state is State.RUNNING:
            # It was under way when another one failed, and ended with the whole.
            state = State.DONE if track.changed else State.SAME
        is_over = state in {State.DONE, State.FAILED}
        seconds = max(track.ended - track.began, 0) if is_over else None
        detail = track.detail if state is State.RUNNING else ""
        return StepState(step=step, state=state, seconds=seconds, detail=detail)

    def _add(self, event: EngineEvent) -> None:
        if event.summary is not None:
            self.summary = event.summary
        elif event.says is not None and event.says.urn in self._steps:
            self._tracks[self._steps[event.says.urn]].detail = event.says.message.strip()
        for part in (event.begins, event.ends, event.fails):
            if part is not None:
                self._move(part.metadata, event)

    def _move(self, about: About, event: EngineEvent) -> None:
        step = step_of(about)
        # `replace` stands for the two operations that replacing consists of.
        if step is None or about.op in {"replace", "delete-replaced", "delete"}:
            return
        self._steps[about.urn] = step
        track = self._tracks[step]
        track.seen = True
        track.changed = track.changed or about.changes
        if event.begins is not None:
            if about.changes:
                track.began = track.began or event.timestamp
                track.open += 1
        else:
            track.ended = event.timestamp
            track.open = max(track.open - 1, 0)
            track.failed = track.failed or event.fails is not None
