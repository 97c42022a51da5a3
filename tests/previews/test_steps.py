"""Progress is told from logs that a real engine wrote on the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from previews import engine_events
from previews.engine_events import About
from previews.steps import Progress, State, Step, step_of

LOGS = Path(__file__).parent / "events"


def progress(log: str, *, lines: int | None = None) -> Progress:
    found = Progress()
    text = (LOGS / f"{log}.jsonl").read_text().splitlines()[:lines]
    found.add(event for event in map(engine_events.parse, text) if event is not None)
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


@pytest.mark.parametrize("line", ["", "{", "[]", '{"resourcePreEvent": {"metadata": 5}}', "null"])
def test_a_line_that_is_not_known_is_passed_over(line: str) -> None:
    assert engine_events.parse(line) is None


def test_an_event_of_a_later_engine_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(json.dumps({"timestamp": 1, "newEvent": {"a": 1}}) + '\n{"half')
    [event] = engine_events.read(log)
    assert event.begins is None
    assert list(engine_events.read(tmp_path / "none")) == []


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
    assert step_of(About(op="create", urn=f"urn:pulumi:a::b::{kind}::{name}", type=kind)) is step
