"""Progress is told from logs that a real engine wrote on the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from previews.pulumi import events
from previews.pulumi.events import EngineEvent, ResourceOperation
from previews.pulumi.progress import Progress, State, Step, StepState, step_of

LOGS = Path(__file__).parents[1] / "events"


def progress(log: str, *, lines: int | None = None) -> Progress:
    found = Progress()
    text = (LOGS / f"{log}.jsonl").read_text().splitlines()[:lines]
    found.add(event for event in map(events.parse, text) if event is not None)
    return found


def states(found: Progress) -> list[str]:
    return [state.state.value for state in found.states()]


def test_a_first_up_does_every_step() -> None:
    found = progress("first")
    assert states(found) == ["done"] * 7
    assert {s.step.value: s.seconds for s in found.states()}["roll the service out"] == 2
    assert found.summary is not None
    assert found.summary.duration_seconds == 9


def test_an_up_without_changes_does_none() -> None:
    assert states(progress("same")) == ["unchanged"] * 7


def test_a_step_that_fails_stops_what_comes_after_it() -> None:
    assert states(progress("migration")) == [
        *("done", "done", "unchanged", "unchanged", "failed", "waiting", "waiting")
    ]
    assert states(progress("crash"))[-2:] == ["failed", "waiting"]


def test_while_it_works_a_step_says_what_its_resource_says() -> None:
    lines = (LOGS / "first.jsonl").read_text().splitlines()
    [until] = [n for n, line in enumerate(lines) if "0 of 1 replicas available" in line]
    found = progress("first", lines=until + 1)
    [rollout] = [s for s in found.states() if s.state is State.RUNNING]
    assert (rollout.step, rollout.detail) == (Step.ROLLOUT, "0 of 1 replicas available")
    assert found.states()[-1].state is State.WAITING


@pytest.mark.parametrize("log", ["first", "same", "migration", "crash"])
def test_at_every_moment_the_states_make_sense(log: str) -> None:
    lines = (LOGS / f"{log}.jsonl").read_text().splitlines()
    settled: set[tuple[Step, State]] = set()
    for count in range(len(lines)):
        now = progress(log, lines=count).states()
        failed = {(s.step, s.state) for s in now if s.state is State.FAILED}
        assert settled <= failed, "what failed does not become well"
        settled = failed
        assert all(s.seconds is None or s.seconds >= 0 for s in now)


JOB = "kubernetes:batch/v1:Job"


def urn(name: str, type_: str = JOB) -> str:
    return f"urn:pulumi:pr-42::previews::{type_}::{name}"


def event(what: str, op: str, name: str, at: int) -> EngineEvent:
    about = {"op": op, "urn": urn(name), "type": JOB}
    return EngineEvent.model_validate({"timestamp": at, what: {"metadata": about}})


def told(*events: EngineEvent) -> Progress:
    found = Progress()
    found.add(events)
    return found


def state_of(found: Progress, step: Step) -> StepState:
    return next(state for state in found.states() if state.step is step)


def test_a_step_takes_from_its_first_beginning_to_its_last_end() -> None:
    found = told(
        event("began", "create", "branch", 10),
        event("began", "create", "clone", 12),
        event("ended", "create", "branch", 15),
    )
    assert state_of(found, Step.DATABASE).state is State.RUNNING
    found.add([event("ended", "create", "clone", 21)])
    done = state_of(found, Step.DATABASE)
    assert (done.state, done.seconds) == (State.DONE, 11)
    assert state_of(found, Step.MIGRATE).state is State.WAITING


def test_what_is_deleted_or_stands_for_a_replacement_is_no_step() -> None:
    found = told(
        event("began", "replace", "migrate", 1),
        event("began", "delete-replaced", "migrate", 2),
        event("ended", "delete", "migrate", 3),
    )
    assert state_of(found, Step.MIGRATE).state is State.WAITING
    found.add([event("began", "create-replacement", "migrate", 4)])
    assert state_of(found, Step.MIGRATE).state is State.RUNNING


def test_an_end_without_a_beginning_leaves_nothing_open() -> None:
    found = told(event("ended", "create", "migrate", 5), event("began", "update", "migrate", 7))
    assert state_of(found, Step.MIGRATE).state is State.RUNNING
    found = told(event("ended", "same", "migrate", 5))
    assert state_of(found, Step.MIGRATE) == StepState(step=Step.MIGRATE, state=State.SAME)


def test_what_was_under_way_when_another_failed_ended_with_it() -> None:
    found = told(
        event("began", "create", "branch", 10),
        event("began", "create", "migrate", 11),
        event("failed", "create", "migrate", 13),
    )
    assert state_of(found, Step.DATABASE).state is State.RUNNING
    failed = state_of(found, Step.MIGRATE)
    assert (failed.state, failed.seconds) == (State.FAILED, 2)
    found.add([EngineEvent.model_validate({"timestamp": 13, "summary": {}})])
    over = state_of(found, Step.DATABASE)
    assert (over.state, over.seconds, over.detail) == (State.DONE, 0, "")


def test_only_what_is_under_way_says_how_it_is() -> None:
    said = [
        EngineEvent.model_validate({"timestamp": 2, "diagnostic": {"urn": on, "message": message}})
        for on, message in ((urn("migrate"), " 1 of 2 "), ("unknown", "no"))
    ]
    found = told(event("began", "create", "migrate", 1), *said)
    assert state_of(found, Step.MIGRATE).detail == "1 of 2"
    found.add([event("ended", "create", "migrate", 3)])
    assert state_of(found, Step.MIGRATE).detail == ""


@pytest.mark.parametrize(
    ("type_", "step"),
    [
        ("docker-build:index:Image", Step.IMAGE),
        ("aws:rds/instance:Instance", Step.DATABASE),
        ("kubernetes:core/v1:Namespace", Step.NAMESPACE),
        ("kubernetes:external-secrets.io/v1:ExternalSecret", Step.NAMESPACE),
        ("kubernetes:external-secrets.io/v1:SecretStore", Step.NAMESPACE),
        ("kubernetes:apps/v1:Deployment", Step.ROLLOUT),
        ("kubernetes:networking.k8s.io/v1:Ingress", Step.ADDRESS),
        ("kubernetes:core/v1:Service", None),
        ("aws:iam/role:Role", None),
    ],
)
def test_a_resource_belongs_to_the_step_that_people_wait_for(type_: str, step: Step | None) -> None:
    assert step_of(ResourceOperation(op="create", urn=urn("x", type_), type=type_)) is step


@pytest.mark.parametrize("line", ["", "{", "[]", '{"resourcePreEvent": {"metadata": 5}}', "null"])
def test_a_line_that_is_not_known_is_passed_over(line: str) -> None:
    assert events.parse(line) is None


def test_an_event_of_a_later_engine_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(json.dumps({"timestamp": 1, "newEvent": {"a": 1}}) + '\n{"half')
    [event] = events.read(log)
    assert event.began is None
    assert list(events.read(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("migrate", Step.MIGRATE),
        ("prepare", Step.PREPARE),
        ("branch", Step.DATABASE),
        ("clone", Step.DATABASE),
    ],
)
def test_a_job_is_known_by_its_name(name: str, step: Step) -> None:
    kind = "kubernetes:batch/v1:Job"
    assert (
        step_of(ResourceOperation(op="create", urn=f"urn:pulumi:a::b::{kind}::{name}", type=kind))
        is step
    )


def test_a_hook_is_a_step_of_the_apps_that_have_it() -> None:
    assert not {Step.SEED, Step.AFTER_DEPLOY} & {state.step for state in told().states()}
    found = told(
        event("began", "create", "seed", 1),
        event("ended", "create", "seed", 3),
        event("began", "create", "after-deploy", 4),
        event("failed", "create", "after-deploy", 5),
    )
    assert [state_of(found, step).state for step in (Step.SEED, Step.AFTER_DEPLOY)] == [
        State.DONE,
        State.FAILED,
    ]
