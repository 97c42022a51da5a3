"""The three probes of a running container, timed as the kubelet's.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.node.handlers import Outcome

Attempt = Callable[[Mapping[str, Any]], Awaitable[Outcome]]
"""Carries out a probe's action once."""
Report = Callable[[str, Outcome], None]
"""Told of each failed attempt: the probe's kind ("Readiness") and the outcome."""

# "While a container is not Ready, the ReadinessProbe may be executed at times other than the
# configured periodSeconds interval. This is to make the Pod ready faster."
# (https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/)
_EAGER_SECONDS = 0.2


@dataclass(frozen=True)
class Timing:
    """A probe's timing fields with the API's defaults, in seconds and counts."""

    initial_delay: float
    period: float
    timeout: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, probe: Mapping[str, Any]) -> Timing:
        """Read a probe's fields."""
        return cls(
            initial_delay=float(probe.get("initialDelaySeconds") or 0),
            period=float(probe.get("periodSeconds") or 10),
            timeout=float(probe.get("timeoutSeconds") or 1),
            success_threshold=int(probe.get("successThreshold") or 1),
            failure_threshold=int(probe.get("failureThreshold") or 3),
        )


async def until_started(probe: Mapping[str, Any], attempt: Attempt, report: Report) -> bool:
    """The startup probe: True once it succeeds, False when its failures are used up."""
    return await _until(probe, attempt, report, kind="Startup", wanted=True)


async def until_dead(
    probe: Mapping[str, Any], attempt: Attempt, report: Report, *, elapsed: float
) -> None:
    """The liveness probe: returns when it has failed often enough in a row.

    ``elapsed`` is as for ``readiness``.
    """
    await _until(probe, attempt, report, kind="Liveness", wanted=False, elapsed=elapsed)


async def _until(
    probe: Mapping[str, Any],
    attempt: Attempt,
    report: Report,
    *,
    kind: str,
    wanted: bool,
    elapsed: float = 0.0,
) -> bool:
    timing = Timing.of(probe)
    await asyncio.sleep(max(0.0, timing.initial_delay - elapsed))
    clock = _Ticks(timing.period)
    failures = successes = 0
    while True:
        outcome = await attempt(probe)
        if outcome.success:
            failures, successes = 0, successes + 1
            if wanted and successes >= timing.success_threshold:
                return True
        else:
            failures, successes = failures + 1, 0
            report(kind, outcome)
            if failures >= timing.failure_threshold:
                return False
        await clock.next()


async def readiness(
    probe: Mapping[str, Any],
    attempt: Attempt,
    report: Report,
    publish: Callable[[bool], None],
    *,
    elapsed: float,
) -> None:
    """The readiness probe: publishes each change, until cancelled.

    Args:
        probe: The probe.
        attempt: Carries it out.
        report: Told of failures, at the probe's own period.
        publish: Told whether the container is ready, when that changes.
        elapsed: Seconds since the container started: its initial delay began then.
    """
    timing = Timing.of(probe)
    await asyncio.sleep(max(0.0, timing.initial_delay - elapsed))
    clock = _Ticks(timing.period)
    ready = False
    failures = successes = 0
    due = True
    while True:
        outcome = await attempt(probe)
        if outcome.success:
            failures, successes = 0, successes + 1
            if not ready and successes >= timing.success_threshold:
                ready = True
                publish(ready)
        elif due:
            failures, successes = failures + 1, 0
            report("Readiness", outcome)
            if ready and failures >= timing.failure_threshold:
                ready = False
                publish(ready)
        due = await clock.next(eager=not ready and timing.success_threshold == 1)


class _Ticks:
    """Fixed points in time one period apart, so that a slow attempt does not shift the rest."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time() + period

    async def next(self, *, eager: bool = False) -> bool:
        """Wait for the next tick; with ``eager``, for less. True when it is a tick."""
        left = self._next - self._loop.time()
        if eager and left > _EAGER_SECONDS:
            await asyncio.sleep(_EAGER_SECONDS)
            return False
        await asyncio.sleep(max(0.0, left))
        now = self._loop.time()
        while self._next <= now:  # Ticks that an attempt took longer than are left out.
            self._next += self._period
        return True
