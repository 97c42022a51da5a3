"""Phase and conditions for every mix of container states (kubelet's getPhase)."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kube import clock
from sandbox.node.pod_state import first_state, settle
from sandbox.node.records import ContainerRecord, Running, State, Terminated, Waiting
from sandbox.node.status import PodState, phase, pod_status

RUNS = Running(clock.now())
DONE = Terminated(0, "Completed")
FAILED = Terminated(1, "Error")
WAITS = Waiting("ContainerCreating")


def _record(state: State, name: str = "main", **fields: Any) -> ContainerRecord:
    return ContainerRecord(spec={"name": name, "image": "i"}, state=state, **fields)


def _pod(policy: str, *main: ContainerRecord, init: tuple[ContainerRecord, ...] = ()) -> PodState:
    pod = {"metadata": {"name": "p", "generation": 2}, "spec": {"restartPolicy": policy}}
    return PodState(pod=pod, init=list(init), main=list(main), host="127.42.0.3")


@pytest.mark.parametrize(
    ("policy", "states", "terminal", "expected"),
    [
        ("Always", (WAITS,), False, "Pending"),
        ("Always", (RUNS, WAITS), False, "Pending"),
        ("Always", (RUNS, RUNS), False, "Running"),
        ("Always", (DONE,), False, "Running"),
        ("Always", (FAILED,), True, "Failed"),
        ("Always", (DONE,), True, "Succeeded"),
        ("OnFailure", (FAILED,), False, "Running"),
        ("OnFailure", (DONE, DONE), False, "Succeeded"),
        ("OnFailure", (RUNS, DONE), False, "Running"),
        ("Never", (FAILED, DONE), False, "Failed"),
        ("Never", (FAILED, RUNS), False, "Running"),
        ("Never", (DONE,), False, "Succeeded"),
    ],
)
def test_phase_of_main_containers(
    policy: str, states: tuple[State, ...], terminal: bool, expected: str
) -> None:
    state = _pod(policy, *(_record(each, f"c{i}") for i, each in enumerate(states)))
    state.terminal = terminal
    assert phase(state) == expected


def test_a_container_in_back_off_keeps_the_pod_running() -> None:
    waiting = _record(Waiting("CrashLoopBackOff"), last=FAILED)
    assert phase(_pod("Always", waiting)) == "Running"


@pytest.mark.parametrize(
    ("policy", "init", "expected"),
    [
        ("Always", (RUNS,), "Pending"),
        ("Always", (FAILED,), "Pending"),
        ("Never", (FAILED,), "Failed"),
        ("Never", (DONE, RUNS), "Pending"),
    ],
)
def test_phase_while_init_containers_run(
    policy: str, init: tuple[State, ...], expected: str
) -> None:
    records = tuple(_record(each, f"i{i}", init=True) for i, each in enumerate(init))
    state = _pod(policy, _record(Waiting("PodInitializing")), init=records)
    assert phase(state) == expected
    conditions = {c["type"]: c for c in pod_status(state)["conditions"]}
    assert conditions["Initialized"]["status"] == "False"
    assert "i" in conditions["Initialized"]["message"]


def test_readiness_needs_every_container_and_sidecar() -> None:
    sidecar = _record(RUNS, "side", init=True, sidecar=True, started=True)
    main = _record(RUNS, ready=True, started=True)
    state = _pod("Always", main, init=(sidecar,))
    ready = {c["type"]: c for c in pod_status(state)["conditions"]}["Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [side]"
    sidecar.ready = True
    ready = {c["type"]: c for c in pod_status(state)["conditions"]}["Ready"]
    assert (ready["status"], ready["reason"], ready["message"]) == ("True", None, None)


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    state = _pod("Always", _record(RUNS))
    old = "2026-01-01T00:00:00Z"
    state.conditions["Ready"] = {"type": "Ready", "status": "False", "lastTransitionTime": old}
    first = {c["type"]: c for c in pod_status(state)["conditions"]}["Ready"]
    assert (first["lastTransitionTime"], first["observedGeneration"]) == (old, 2)
    state.main[0].ready = True
    second = {c["type"]: c for c in pod_status(state)["conditions"]}["Ready"]
    assert second["lastTransitionTime"] > old


def test_a_verdict_of_the_node_is_the_pods_reason_once_it_ended() -> None:
    state = _pod("Always", _record(RUNS))
    state.verdict = ("Evicted", "too much")
    assert pod_status(state)["phase"] == "Running"
    settle(state)
    state.terminal = True
    status = pod_status(state)
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


def test_what_ran_under_an_earlier_node_process_is_lost_and_what_ended_is_kept() -> None:
    began, ended = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
    over = {"exitCode": 3, "reason": "Error", "startedAt": began, "finishedAt": ended,
            "message": "m", "containerID": "process://1"}  # fmt: skip
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": n, "image": "i"} for n in ("runs", "ended", "crashes")]},
        "status": {
            "phase": "Running",
            "podIP": "127.42.10.9",
            "startTime": began,
            "containerStatuses": [
                {"name": "runs", "restartCount": 2, "containerID": "process://2",
                 "state": {"running": {"startedAt": began}}},
                {"name": "ended", "state": {"terminated": over}},
                {"name": "crashes", "restartCount": 4, "containerID": "process://3",
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": over}},
            ],
        },
    }  # fmt: skip
    state = first_state(pod, host="127.42.0.3")
    runs, kept, crashes = state.main
    assert isinstance(runs.state, Terminated)
    assert (runs.state.reason, runs.restarts) == ("ContainerStatusUnknown", 2)
    assert isinstance(kept.state, Terminated)
    assert kept.state.to_json() == {"terminated": over}
    assert (crashes.restarts, crashes.last) == (4, kept.state)
    assert (state.address, state.started_at, state.terminal) == ("127.42.10.9", began, False)
