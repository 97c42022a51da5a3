"""What the node knows of a container: the source of ``containerStatuses``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.kube import clock
from sandbox.kube.objects import Object

LOST_EXIT_CODE = 137
LOST_REASON = "ContainerStatusUnknown"


@dataclass(frozen=True)
class Waiting:
    """A container that does not run yet, or not again."""

    reason: str
    message: str = ""

    def to_json(self) -> Object:
        """``ContainerStateWaiting``."""
        fields = {"reason": self.reason, "message": self.message}
        return {"waiting": {key: value for key, value in fields.items() if value}}


@dataclass(frozen=True)
class Running:
    """A container whose process runs."""

    started_at: datetime

    def to_json(self) -> Object:
        """``ContainerStateRunning``."""
        return {"running": {"startedAt": clock.rfc3339(self.started_at)}}


@dataclass(frozen=True)
class Terminated:
    """A container whose process ended.

    Attributes:
        exit_code: Its exit code; 128 + n when signal n ended it.
        reason: ``Completed``, ``Error``, ``OOMKilled``, ``StartError`` or that it was lost.
        message: What it left as its termination message.
    """

    exit_code: int
    reason: str
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    container_id: str = ""

    def to_json(self) -> Object:
        """``ContainerStateTerminated``."""
        fields: Object = {"exitCode": self.exit_code, "reason": self.reason}
        if self.message:
            fields["message"] = self.message
        if self.started_at:
            fields["startedAt"] = clock.rfc3339(self.started_at)
        if self.finished_at:
            fields["finishedAt"] = clock.rfc3339(self.finished_at)
        if self.container_id:
            fields["containerID"] = self.container_id
        return {"terminated": fields}

    @classmethod
    def from_json(cls, state: Any) -> Terminated | None:
        """Read a ``ContainerState``; None when it is not ``terminated``."""
        fields = (state or {}).get("terminated")
        if not fields:
            return None
        return cls(
            exit_code=int(fields["exitCode"]),
            reason=fields.get("reason", ""),
            message=fields.get("message", ""),
            started_at=_moment(fields.get("startedAt")),
            finished_at=_moment(fields.get("finishedAt")),
            container_id=fields.get("containerID", ""),
        )


State = Waiting | Running | Terminated


@dataclass
class ContainerRecord:
    """One container of a Pod over all its runs.

    Attributes:
        spec: The container's entry of the Pod's spec.
        init: Whether it is an init container.
        sidecar: An init container that keeps running (``restartPolicy: Always``).
        state: Its present.
        last: How its previous run ended.
        restarts: Runs beyond the first.
        started: Whether the startup probe has succeeded, or there is none.
        ready: Whether it may get traffic.
        image_id: The image by digest.
        container_id: The present run.
    """

    spec: Object
    init: bool = False
    sidecar: bool = False
    state: State = field(default_factory=lambda: Waiting("PodInitializing"))
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    image_id: str = ""
    container_id: str = ""

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def field_path(self) -> str:
        """Where in the Pod its Events belong."""
        return f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"

    @property
    def succeeded(self) -> bool:
        """Whether it ended with exit code 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    def is_over(self, policy: str) -> bool:
        """Whether, under this restart policy, its last run was its last."""
        if not isinstance(self.state, Terminated):
            return False
        return policy == "Never" or (policy == "OnFailure" and self.state.exit_code == 0)

    def ended(self, how: Terminated) -> None:
        """Its process is gone."""
        self.state = how
        self.ready = self.started = False

    def waits(self, reason: str, message: str = "") -> None:
        """It is to run; what just ended becomes its last state."""
        if isinstance(self.state, Terminated):
            self.last = self.state
        self.state = Waiting(reason, message)
        self.ready = self.started = False

    def recall(self, status: Object) -> None:
        """Take over what an earlier node process reported; a run it left behind is lost."""
        self.restarts = int(status.get("restartCount", 0))
        self.image_id = status.get("imageID", "")
        self.container_id = status.get("containerID", "")
        self.last = Terminated.from_json(status.get("lastState"))
        state = status.get("state") or {}
        if terminated := Terminated.from_json(state):
            self.state = terminated
        elif running := state.get("running"):
            self.state = self.lost(_moment(running.get("startedAt")))

    def lost(self, started_at: datetime | None = None) -> Terminated:
        """The end of a run that nobody saw, or of a container that never ran."""
        ran = "The container could not be located: the node stopped while it ran"
        return Terminated(
            exit_code=LOST_EXIT_CODE,
            reason=LOST_REASON,
            message=ran if self.container_id else "The container was never started",
            started_at=started_at,
            finished_at=clock.now(),
            container_id=self.container_id,
        )


def _moment(text: str | None) -> datetime | None:
    return clock.parse(text) if text else None
