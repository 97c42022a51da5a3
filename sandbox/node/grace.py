"""The time that containers have left to end by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# kubelet's minimumGracePeriodInSeconds: even a preStop hook that used up all the time
# leaves a container this long between SIGTERM and SIGKILL.
_SHORTEST_SECONDS = 2.0


class Grace:
    """A deadline that a second deletion may bring nearer while it is waited for.

    Args:
        seconds: How long the containers have.
        forced: Whether that is all, without the least time after a preStop hook.
        hooks: Whether preStop hooks are run at all.
    """

    def __init__(self, seconds: float, *, forced: bool = False, hooks: bool = True) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._forced = forced
        self.hooks = hooks
        self._waiting: set[asyncio.Timeout] = set()

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._loop.time()

    def shorten(self, seconds: float) -> None:
        """Leave ``seconds`` from now, if that is sooner."""
        deadline = self._loop.time() + seconds
        if deadline < self._deadline:
            self._deadline = deadline
            for timeout in self._waiting:
                timeout.reschedule(deadline)

    @asynccontextmanager
    async def for_hook(self) -> AsyncIterator[None]:
        """Bound what is awaited inside; raises TimeoutError when the time is over."""
        async with self._until(self._deadline):
            yield

    @asynccontextmanager
    async def for_exit(self) -> AsyncIterator[None]:
        """As ``for_hook``, but with the least time that a container gets after SIGTERM."""
        least = 0.0 if self._forced else _SHORTEST_SECONDS
        async with self._until(max(self._deadline, self._loop.time() + least)):
            yield

    @asynccontextmanager
    async def _until(self, deadline: float) -> AsyncIterator[None]:
        async with asyncio.timeout_at(deadline) as timeout:
            self._waiting.add(timeout)
            try:
                yield
            finally:
                self._waiting.discard(timeout)
