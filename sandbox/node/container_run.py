"""One run of a container, from its first moment to the decision that it ends."""

from __future__ import annotations

import asyncio
import enum
import logging
import signal
from collections.abc import Coroutine, Mapping
from typing import Any

from sandbox.kube import clock
from sandbox.node import memory, probes, quantities
from sandbox.node.grace import Grace
from sandbox.node.handlers import Outcome
from sandbox.node.instance import Instance
from sandbox.node.pod_context import PodContext
from sandbox.node.records import ContainerRecord, Running

_LOG = logging.getLogger(__name__)


class Cause(enum.Enum):
    """Why the node ends a container that would have gone on."""

    POD = "the Pod ends"
    STARTUP = "failed startup probe"
    LIVENESS = "failed liveness probe"
    HOOK = "failed postStart hook"
    MEMORY = "memory limit"


class ContainerRun:
    """Follows a started instance.

    Args:
        context: What the Pod's containers share.
        record: What the node reports of the container.
        instance: The process.
        started: Set once the container counts as started.
        stop_signal: What the image wants to be stopped with.
    """

    def __init__(
        self,
        context: PodContext,
        record: ContainerRecord,
        instance: Instance,
        started: asyncio.Event,
        stop_signal: str,
    ) -> None:
        self._context = context
        self._record = record
        self._spec = record.spec
        self._started = started
        self._image_signal = stop_signal
        self._grace: Grace | None = None
        self._ending: Grace | None = None
        self._stop = asyncio.Event()
        self._began = asyncio.get_running_loop().time()
        self.instance = instance

    def stop(self, grace: Grace) -> None:
        """End the run within ``grace``."""
        self._grace = grace
        self._stop.set()
        if self._ending:  # A failed probe has begun to end it already.
            self._ending.shorten(grace.left)

    async def follow(self) -> Cause | None:
        """Wait until the process has ended; say why, when the node ended it."""
        if not await self.instance.executed():
            return None
        self._record.state = Running(clock.now())
        self._event("Started", f"Started container {self._record.name}")
        self._context.changed()
        cause = await self._until_cause()
        if cause is None:
            return None
        if cause is Cause.MEMORY:
            self.instance.signal(signal.SIGKILL)
        else:
            await self._end(cause)
        await self.instance.wait()
        return cause

    async def _until_cause(self) -> Cause | None:
        """What comes first: the process ends by itself (None), or there is cause to end it."""
        watches: list[Coroutine[Any, Any, Cause | None]] = [
            self._exited(),
            self._stopped(),
            self._healthy(),
        ]
        limit = ((self._spec.get("resources") or {}).get("limits") or {}).get("memory")
        if limit:
            watches.append(self._within_memory(quantities.to_bytes(limit)))
        tasks = [asyncio.ensure_future(watch) for watch in watches]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # When several end at once, the one that is first in the list says why.
            return next(task.result() for task in tasks if task in done)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _exited(self) -> None:
        await self.instance.wait()

    async def _stopped(self) -> Cause:
        await self._stop.wait()
        return Cause.POD

    async def _within_memory(self, limit: int) -> Cause:
        await memory.until_exceeded(self.instance.pid, limit)
        return Cause.MEMORY

    async def _healthy(self) -> Cause:
        hook = (self._spec.get("lifecycle") or {}).get("postStart")
        if hook:
            outcome = await self._handle(hook, seconds=None)
            if not outcome.success:
                self._event(
                    "FailedPostStartHook", f"PostStartHook failed: {outcome.detail}", warning=True
                )
                return Cause.HOOK
        startup = self._spec.get("startupProbe")
        if startup and not await probes.until_started(startup, self._attempt, self._report):
            return Cause.STARTUP
        self._record.started = True
        self._started.set()
        readiness = self._spec.get("readinessProbe")
        liveness = self._spec.get("livenessProbe")
        if not readiness:
            self._publish(True)
        self._context.changed()
        watcher = asyncio.ensure_future(self._watch_readiness(readiness)) if readiness else None
        try:
            if liveness is None:
                await asyncio.get_running_loop().create_future()
                raise AssertionError  # Nobody sets it: readiness goes on until the run ends.
            await probes.until_dead(liveness, self._attempt, self._report, elapsed=self._elapsed())
            return Cause.LIVENESS
        finally:
            if watcher:
                watcher.cancel()

    async def _watch_readiness(self, probe: Mapping[str, Any]) -> None:
        await probes.readiness(
            probe, self._attempt, self._report, self._publish, elapsed=self._elapsed()
        )

    async def _end(self, cause: Cause) -> None:
        name = self._record.name
        if cause is Cause.POD:
            self._event("Killing", f"Stopping container {name}")
        else:
            self._event("Killing", f"Container {name} {cause.value}, will be restarted")
        grace = self._grace or Grace(self._grace_seconds(cause))
        self._ending = grace
        hook = (self._spec.get("lifecycle") or {}).get("preStop")
        if hook and grace.hooks:
            await self._pre_stop(hook, grace)
        self.instance.signal(self._stop_signal())
        try:
            async with grace.for_exit():
                await self.instance.wait()
        except TimeoutError:
            self.instance.signal(signal.SIGKILL)

    async def _pre_stop(self, hook: Mapping[str, Any], grace: Grace) -> None:
        work = asyncio.ensure_future(self._handle(hook, seconds=None))
        gone = asyncio.ensure_future(self.instance.wait())
        try:
            async with grace.for_hook():
                await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not work.result().success:
                detail = work.result().detail
                self._event("FailedPreStopHook", f"PreStopHook failed: {detail}", warning=True)
        except TimeoutError:
            self._event(
                "FailedPreStopHook", "PreStopHook: the grace period ended before it", warning=True
            )
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    def _stop_signal(self) -> signal.Signals:
        name = (self._spec.get("lifecycle") or {}).get("stopSignal") or self._image_signal
        number = str(name).removeprefix("SIG")
        if number.isdigit():
            return signal.Signals(int(number))
        return signal.Signals.__members__.get(f"SIG{number}", signal.SIGTERM)

    def _grace_seconds(self, cause: Cause) -> float:
        probe = {Cause.LIVENESS: "livenessProbe", Cause.STARTUP: "startupProbe"}.get(cause, "")
        seconds = (self._spec.get(probe) or {}).get("terminationGracePeriodSeconds")
        return self._context.grace_seconds if seconds is None else float(seconds)

    async def _attempt(self, probe: Mapping[str, Any]) -> Outcome:
        return await self._handle(probe, seconds=probes.Timing.of(probe).timeout)

    async def _handle(self, action: Mapping[str, Any], seconds: float | None) -> Outcome:
        return await self._context.handlers.run(action, self._spec, self.instance, seconds=seconds)

    def _report(self, kind: str, outcome: Outcome) -> None:
        self._event("Unhealthy", f"{kind} probe failed: {outcome.detail}", warning=True)

    def _publish(self, ready: bool) -> None:
        self._record.ready = ready
        self._context.changed()

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        self._context.event(self._record, reason, message, warning=warning)
