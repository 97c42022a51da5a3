"""Live target groups: health checks and the choice of targets."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import yarl

from sandbox.balancer.ingress_options import HealthCheck
from sandbox.balancer.model import ServicePort, TargetGroup

_LOG = logging.getLogger(__name__)
# First delay between checks of a target that has not passed yet. It doubles up to the interval,
# so that a preview is reachable as soon as its Pod; an ALB always waits for the interval.
_INITIAL_SECONDS = 0.25


class Health(enum.Enum):
    """State of a target, by the names of Elastic Load Balancing."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass
class Target:
    """A registered endpoint.

    Attributes:
        address: IP address.
        port: Port.
        health: Result of the last checks.
        detail: Reason of the last failed check.
        outstanding: Number of requests in progress.
    """

    address: str
    port: int
    health: Health = Health.INITIAL
    detail: str = "not checked yet"
    outstanding: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        state = f"{self.address}:{self.port} {self.health.value}"
        return state if self.health is Health.HEALTHY else f"{state}: {self.detail}"


class LiveGroup:
    """Targets of a ServicePort."""

    def __init__(self, backend: ServicePort, session: aiohttp.ClientSession) -> None:
        self._backend = backend
        self._session = session
        self._check = HealthCheck()
        self._turn = 0
        self.targets: dict[tuple[str, int], Target] = {}

    def update(self, wanted: TargetGroup) -> None:
        """Register and deregister targets; requests in progress are finished."""
        if wanted.health != self._check:
            self.close()
            self._check = wanted.health
        for key in set(self.targets) - wanted.targets:
            self._deregister(key)
        for key in sorted(wanted.targets - set(self.targets)):
            target = Target(*key)
            target.task = asyncio.create_task(self._watch(target), name=f"target {target}")
            self.targets[key] = target

    def close(self) -> None:
        """Deregister every target."""
        for key in list(self.targets):
            self._deregister(key)

    @property
    def healthy(self) -> list[Target]:
        """Targets that get requests."""
        return [t for t in self.targets.values() if t.health is Health.HEALTHY]

    @contextlib.contextmanager
    def next_target(self, *, least_outstanding: bool) -> Iterator[Target | None]:
        """Yield the target of the next request, counted as in progress; None if none is healthy."""
        target = self._choose(least_outstanding=least_outstanding)
        if target is None:
            yield None
            return
        target.outstanding += 1
        try:
            yield target
        finally:
            target.outstanding -= 1

    def _choose(self, *, least_outstanding: bool) -> Target | None:
        healthy = self.healthy
        if not healthy:
            return None
        self._turn += 1
        if least_outstanding:
            fewest = min(target.outstanding for target in healthy)
            healthy = [target for target in healthy if target.outstanding == fewest]
        return healthy[self._turn % len(healthy)]

    def explain(self) -> str:
        """Return the reason why there is no healthy target."""
        if not self.targets:
            return f"{self._backend} has no ready endpoint"
        states = ", ".join(str(target) for target in self.targets.values())
        return f"{self._backend} has no healthy target: {states}"

    def _deregister(self, key: tuple[str, int]) -> None:
        target = self.targets.pop(key)
        if target.task:
            target.task.cancel()

    async def _watch(self, target: Target) -> None:
        passed = failed = 0
        while True:
            problem = await self._ask(target)
            if problem is None:
                passed, failed = passed + 1, 0
                # A newly registered target must pass once.
                enough = 1 if target.health is Health.INITIAL else self._check.healthy_threshold
                if passed >= enough and target.health is not Health.HEALTHY:
                    target.health = Health.HEALTHY
            else:
                passed, failed = 0, failed + 1
                target.detail = problem
                if target.health is Health.HEALTHY and failed >= self._check.unhealthy_threshold:
                    target.health = Health.UNHEALTHY
                    _LOG.warning("%s: %s", self._backend, target)
            pause = self._check.interval
            if target.health is Health.INITIAL:
                pause = min(_INITIAL_SECONDS * 2 ** (failed - 1), pause)
            await asyncio.sleep(pause)

    async def _ask(self, target: Target) -> str | None:
        port = self._check.port or target.port
        url = yarl.URL(f"http://{target.address}:{port}{self._check.path}", encoded=True)
        try:
            async with (
                asyncio.timeout(self._check.timeout),
                self._session.get(
                    url,
                    headers={"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"},
                    allow_redirects=False,
                ) as response,
            ):
                if self._check.accepts(response.status):
                    return None
                return f"health check {self._check.path} answers {response.status}"
        except TimeoutError:
            return f"health check {self._check.path} timed out after {self._check.timeout:g} s"
        except (aiohttp.ClientError, OSError) as error:
            return f"health check {self._check.path}: {error}"
