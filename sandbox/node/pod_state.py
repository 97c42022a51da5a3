"""A Pod's state when this node process first sees it."""

from __future__ import annotations

from sandbox.kube.objects import Object
from sandbox.node.records import ContainerRecord, Terminated, Waiting
from sandbox.node.status import FINAL_PHASES, PodState


def first_state(pod: Object, *, host: str) -> PodState:
    """What earlier node processes reported, with the runs that they left behind as lost."""
    spec, status = pod["spec"], pod.get("status") or {}
    reported = {
        entry["name"]: entry
        for field in ("initContainerStatuses", "containerStatuses")
        for entry in status.get(field) or ()
    }
    state = PodState(
        pod=pod,
        init=[
            _record(container, reported, init=True)
            for container in spec.get("initContainers") or ()
        ],
        main=[_record(container, reported) for container in spec["containers"]],
        host=host,
        terminal=status.get("phase") in FINAL_PHASES,
        conditions={entry["type"]: entry for entry in status.get("conditions") or ()},
    )
    if status.get("startTime"):
        state.started_at = status["startTime"]
    if status.get("podIP"):
        state.address = status["podIP"]
    if state.terminal and status.get("reason"):
        state.verdict = (status["reason"], status.get("message", ""))
    if not spec.get("initContainers"):
        for record in state.main:
            if record.state == Waiting("PodInitializing"):
                record.state = Waiting("ContainerCreating")
    return state


def settle(state: PodState) -> None:
    """Give every container of a Pod that has ended for good a final state."""
    for record in (*state.init, *state.main):
        if not isinstance(record.state, Terminated):
            record.ended(record.last or record.lost())
        record.ready = False


def _record(
    container: Object, reported: dict[str, Object], *, init: bool = False
) -> ContainerRecord:
    sidecar = init and container.get("restartPolicy") == "Always"
    record = ContainerRecord(spec=container, init=init, sidecar=sidecar)
    if container["name"] in reported:
        record.recall(reported[container["name"]])
    return record
