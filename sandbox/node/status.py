"""``PodStatus``, computed from what the node knows (kubelet's getPhase and conditions)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sandbox.kube import clock
from sandbox.kube.objects import Object
from sandbox.node.records import ContainerRecord, Running, Terminated, Waiting

FINAL_PHASES = frozenset({"Succeeded", "Failed"})


@dataclass
class PodState:
    """A Pod as the node sees it.

    Attributes:
        pod: The latest object.
        init: Records of its init containers, in order.
        main: Records of its containers.
        host: The node's address.
        address: The Pod's address, None before it has one.
        terminal: Nothing of it will run again.
        verdict: ``(reason, message)`` when the node itself failed the Pod.
        volumes_ready: Whether its volumes are there.
        disrupted: Message of a ``DisruptionTarget`` condition.
        conditions: What was last said of each condition, by its type.
    """

    pod: Object
    init: list[ContainerRecord]
    main: list[ContainerRecord]
    host: str
    address: str | None = None
    started_at: str = field(default_factory=lambda: clock.rfc3339(clock.now()))
    terminal: bool = False
    verdict: tuple[str, str] | None = None
    volumes_ready: bool = False
    disrupted: str | None = None
    conditions: dict[str, Object] = field(default_factory=dict)


def phase(state: PodState) -> str:
    """The Pod's phase."""
    if state.verdict:
        return "Failed" if state.terminal else _living_phase(state)
    policy = state.pod["spec"].get("restartPolicy", "Always")
    if policy == "Never" and any(_failed(record) for record in state.init if not record.sidecar):
        return "Failed"
    return _living_phase(state)


def _living_phase(state: PodState) -> str:
    policy = state.pod["spec"].get("restartPolicy", "Always")
    stopped = [record for record in state.main if _stopped(record)]
    if state.terminal:
        done = all(record.succeeded for record in state.main)
        return "Succeeded" if done else "Failed"
    if not _initialized(state) or len(stopped) < len(state.main) - _running(state.main):
        return "Pending"
    if _running(state.main) or policy == "Always":
        return "Running"
    if all(record.succeeded for record in stopped):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _running(records: Sequence[ContainerRecord]) -> int:
    return sum(isinstance(record.state, Running) for record in records)


def _stopped(record: ContainerRecord) -> bool:
    # A container in back-off has run: its last state counts.
    ended = isinstance(record.state, Terminated)
    return ended or (isinstance(record.state, Waiting) and record.last is not None)


def _failed(record: ContainerRecord) -> bool:
    return isinstance(record.state, Terminated) and record.state.exit_code != 0


def _initialized(state: PodState) -> bool:
    return all(
        record.started if record.sidecar else record.succeeded for record in state.init
    ) or any(not isinstance(record.state, Waiting) or record.last for record in state.main)


def pod_status(state: PodState) -> Object:
    """The whole status, for a strategic merge patch: null removes what no longer holds."""
    now = phase(state)
    reason, message = state.verdict or (None, None)
    address = state.address
    return {
        "observedGeneration": state.pod["metadata"].get("generation"),
        "phase": now,
        "reason": reason,
        "message": message,
        "startTime": state.started_at,
        "hostIP": state.host,
        "hostIPs": [{"ip": state.host}],
        "podIP": address,
        "podIPs": [{"ip": address}] if address else None,
        "qosClass": state.pod.get("status", {}).get("qosClass"),
        "conditions": _conditions(state, now),
        "initContainerStatuses": [_container(state, record) for record in state.init] or None,
        "containerStatuses": [_container(state, record) for record in state.main],
    }


def _container(state: PodState, record: ContainerRecord) -> Object:
    spec = record.spec
    status: Object = {
        "name": record.name,
        "image": spec["image"],
        "imageID": record.image_id,
        "state": record.state.to_json(),
        "lastState": record.last.to_json() if record.last else {},
        "ready": record.ready or (record in state.init and not record.sidecar and record.succeeded),
        "started": record.started,
        "restartCount": record.restarts,
        "resources": spec.get("resources") or {},
    }
    if record.container_id:
        status["containerID"] = record.container_id
    return status


def _conditions(state: PodState, now: str) -> list[Object]:
    done = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(now)
    unready = [record.name for record in state.main if not record.ready]
    unready += [record.name for record in state.init if record.sidecar and not record.ready]
    missing = [
        record.name
        for record in state.init
        if not (record.started if record.sidecar else record.succeeded)
    ]
    ready = _Verdict(
        not done and not unready,
        done or "ContainersNotReady",
        "" if done else f"containers with unready status: [{' '.join(unready)}]",
    )
    verdicts = {
        "PodReadyToStartContainers": _Verdict(state.volumes_ready and not done),
        "Initialized": _Verdict(
            _initialized(state) or now == "Succeeded",
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(missing)}]",
        ),
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": _Verdict(True),
    }
    if state.disrupted:
        verdicts["DisruptionTarget"] = _Verdict(
            True, "TerminationByKubelet", state.disrupted, always=True
        )
    for kind, verdict in verdicts.items():
        state.conditions[kind] = _condition(state, kind, verdict)
    return [state.conditions[kind] for kind in verdicts]


@dataclass(frozen=True)
class _Verdict:
    holds: bool
    reason: str = ""
    message: str = ""
    always: bool = False

    @property
    def explained(self) -> bool:
        return not self.holds or self.always


def _condition(state: PodState, kind: str, verdict: _Verdict) -> Object:
    value = "True" if verdict.holds else "False"
    before = state.conditions.get(kind, {})
    changed = before.get("status") != value or not before.get("lastTransitionTime")
    return {
        "type": kind,
        "status": value,
        "observedGeneration": state.pod["metadata"].get("generation"),
        "lastTransitionTime": clock.rfc3339(clock.now())
        if changed
        else before["lastTransitionTime"],
        "reason": (verdict.reason or None) if verdict.explained else None,
        "message": (verdict.message or None) if verdict.explained else None,
    }
