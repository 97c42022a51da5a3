"""Probes and graces on a clock that jumps: no test waits for real seconds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest

from sandbox.node import probes
from sandbox.node.grace import Grace
from sandbox.node.handlers import Outcome


class JumpingLoop(asyncio.SelectorEventLoop):
    """Time passes only when everything waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, heapq.nsmallest(1, self._scheduled)[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run on a jumping clock."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work())


class Subject:
    """Answers attempts by a plan, and notes when they were made."""

    def __init__(self, *plan: bool, last: bool = False, takes: float = 0.0) -> None:
        self.began = asyncio.get_running_loop().time()
        self.attempts: list[float] = []
        self.reports: list[str] = []
        self._plan: Iterator[bool] = iter(plan)
        self._last = last
        self._takes = takes

    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.began, 2)

    async def attempt(self, _probe: Mapping[str, Any]) -> Outcome:
        self.attempts.append(self.now())
        await asyncio.sleep(self._takes)
        return Outcome(next(self._plan, self._last), "detail")

    def report(self, kind: str, _outcome: Outcome) -> None:
        self.reports.append(kind)


def test_the_startup_probe_asks_at_once_then_every_period() -> None:
    async def work() -> None:
        subject = Subject(False, False, True)
        probe = {"periodSeconds": 3, "failureThreshold": 5}
        assert await probes.until_started(probe, subject.attempt, subject.report)
        assert subject.attempts == [0, 3, 6]
        assert subject.reports == ["Startup", "Startup"]

    run(work)


def test_the_startup_probe_gives_up() -> None:
    async def work() -> None:
        subject = Subject(takes=0.5)
        probe = {"initialDelaySeconds": 2, "periodSeconds": 1, "failureThreshold": 3}
        assert not await probes.until_started(probe, subject.attempt, subject.report)
        # A slow attempt does not shift the ones after it.
        assert subject.attempts == [2, 3, 4]

    run(work)


def test_the_liveness_probe_wants_failures_in_a_row() -> None:
    async def work() -> None:
        subject = Subject(False, False, True, False, False, False)
        probe = {"periodSeconds": 10}
        await probes.until_dead(probe, subject.attempt, subject.report, elapsed=0)
        assert subject.attempts == [0, 10, 20, 30, 40, 50]

    run(work)


def test_an_initial_delay_counts_from_the_containers_start() -> None:
    async def work() -> None:
        subject = Subject()
        probe = {"initialDelaySeconds": 10, "failureThreshold": 1}
        await probes.until_dead(probe, subject.attempt, subject.report, elapsed=4)
        assert subject.attempts == [6]

    run(work)


async def _readiness(subject: Subject, probe: Mapping[str, Any], seconds: float) -> list[Any]:
    published: list[Any] = []
    watching = asyncio.create_task(
        probes.readiness(
            probe,
            subject.attempt,
            subject.report,
            lambda ready: published.append((subject.now(), ready)),
            elapsed=0,
        )
    )
    await asyncio.sleep(seconds)
    watching.cancel()
    return published


def test_readiness_is_seen_soon_and_lost_after_the_threshold() -> None:
    async def work() -> None:
        subject = Subject(False, False, True, True, False, False, last=True)
        probe = {"periodSeconds": 5, "failureThreshold": 2}
        published = await _readiness(subject, probe, 30)
        # Not ready, it is asked more often; ready, at every period.
        assert published[:2] == [(0.4, True), (15, False)]
        assert published[2][1] is True
        assert published[2][0] <= 15.4
        # Only what failed at its own time is told.
        assert subject.reports == ["Readiness"] * 3

    run(work)


def test_readiness_with_a_success_threshold_keeps_to_its_period() -> None:
    async def work() -> None:
        subject = Subject(last=True)
        published = await _readiness(subject, {"periodSeconds": 2, "successThreshold": 3}, 10)
        assert published == [(4, True)]

    run(work)


@pytest.mark.parametrize(
    ("seconds", "forced", "after_hook", "killed"),
    [(10, False, 4, 10), (10, False, 9.5, 11.5), (10, False, 10, 12), (1, True, 0, 1)],
)
def test_grace_leaves_a_moment_after_the_hook(
    seconds: float, forced: bool, after_hook: float, killed: float
) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        grace = Grace(seconds, forced=forced)
        try:
            async with grace.for_hook():
                await asyncio.sleep(after_hook)
        except TimeoutError:
            pass
        with pytest.raises(TimeoutError):
            async with grace.for_exit():
                await asyncio.sleep(1000)
        assert loop.time() - began == pytest.approx(killed)

    run(work)


def test_a_grace_can_be_shortened_while_it_runs_but_not_extended() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        grace = Grace(600)
        began = loop.time()
        loop.call_later(3, grace.shorten, 1)
        loop.call_later(3.5, grace.shorten, 900)
        with pytest.raises(TimeoutError):
            async with grace.for_exit():
                await asyncio.sleep(1000)
        assert loop.time() - began == pytest.approx(4)

    run(work)
