"""One Pod on this node, from its arrival to the moment nothing of it is left."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from sandbox.kube import clock
from sandbox.kube.client import CONFLICT, NOT_FOUND, UNREACHABLE, ApiError
from sandbox.kube.objects import Object, is_deleting, key_of, uid_of
from sandbox.node import pod_state, storage
from sandbox.node.container_spec import PodFiles
from sandbox.node.grace import Grace
from sandbox.node.logs import LogFile
from sandbox.node.node_context import NodeContext
from sandbox.node.pod_work import UNSUPPORTED, PodWork
from sandbox.node.status import PodState
from sandbox.node.status_writer import StatusWriter, pod_path

_LOG = logging.getLogger(__name__)
# A Pod that was removed by force gets this much: the object is gone, so nobody waits.
_FORCED_SECONDS = 1.0
_DELETE_RETRY_SECONDS = 0.5
# What a kubelet takes up while a Pod runs: new images, resized resources, debug containers.
_FIXED = ("containers", "initContainers", "ephemeralContainers", "activeDeadlineSeconds")


class PodWorker:
    """Takes one Pod through its life.

    Args:
        node: What the node's Pods share.
        pod: The object as it came to the node.
    """

    def __init__(self, node: NodeContext, pod: Object) -> None:
        self._node = node
        self._state: PodState = pod_state.first_state(pod, host=node.host.address)
        self._reserve_address()
        self._writer = StatusWriter(node.client, self._state)
        self._work = PodWork(node, self._state, self._writer)
        self._files = PodFiles(node.config.pods / uid_of(pod))
        self._ending = asyncio.Event()
        self._deleting = asyncio.Event()
        self._removed = asyncio.Event()
        self._grace: Grace | None = None
        self.update(pod)

    @property
    def pod(self) -> Object:
        """The latest object."""
        return self._state.pod

    def update(self, pod: Object) -> None:
        """Take in a newer version of the object."""
        for field in _FIXED:
            if pod["spec"].get(field) != self._state.pod["spec"].get(field):
                text = f"spec.{field} changed, which has no effect here until the Pod is deleted"
                self._node.events.warning(pod, UNSUPPORTED, text)
        self._state.pod = pod
        self._work.update(pod)
        if is_deleting(pod):
            self._deleting.set()
            self._end(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        self._writer.changed()

    def remove(self) -> None:
        """The object is gone from the API server."""
        self._removed.set()
        self._deleting.set()
        self._end(_FORCED_SECONDS, forced=True)

    def log_of(self, container: str, *, previous: bool) -> tuple[Path, LogFile | None] | None:
        """A container's log, and its writer while it is written; None without such a run."""
        records = {record.name: record for record in (*self._state.init, *self._state.main)}
        record = records.get(container)
        if record is None or not record.container_id:
            return None
        number = record.restarts - previous
        if number < 0:
            return None
        worker = self._work.worker(container)
        live = worker.log if worker and not previous else None
        return self._files.log(container, number), live

    def containers(self) -> list[str]:
        """Names of its containers, in the order of the spec."""
        return [record.name for record in (*self._state.main, *self._state.init)]

    async def shut_down(self, seconds: float) -> None:
        """Let its containers end because the node does; its status stays for the next node."""
        # Hooks wait for traffic to go elsewhere; here there is none any more.
        await self._work.stop(Grace(seconds, forced=True, hooks=False))

    async def run(self) -> None:
        """Live the Pod's life; returns when the object and everything of it are gone."""
        writing = asyncio.create_task(self._writer.run(), name=f"status {key_of(self.pod)}")
        try:
            if not self._state.terminal:
                await self._live()
                await self._finish()
            await self._deleting.wait()
            await self._confirm_deletion()
            await self._removed.wait()
        finally:
            writing.cancel()
        shutil.rmtree(self._files.root, ignore_errors=True)

    async def _live(self) -> None:
        if self._ending.is_set():  # It was to end before this node process saw it.
            return
        tasks = {
            asyncio.create_task(coroutine)
            for coroutine in (
                self._work_or_fail(),
                self._ending.wait(),
                self._deadline(),
                self._storage(),
                self._writer.gone.wait(),
            )
        }
        _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        grace = self._grace or Grace(self._grace_seconds())
        self._grace = grace
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._work.stop(grace)

    async def _work_or_fail(self) -> None:
        try:
            await self._work.run()
        except Exception as error:  # noqa: BLE001 - a Pod must not be left hanging silently
            _LOG.exception("pod %s", key_of(self.pod))
            self._work.fail("NodeError", f"The node failed on this Pod: {error!r}")

    async def _deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            await asyncio.Event().wait()
        begun = clock.parse(self._state.started_at)
        await asyncio.sleep(max(0.0, seconds - (clock.now() - begun).total_seconds()))
        message = "Pod was active on the node longer than the specified deadline"
        self._node.events.normal(self.pod, "DeadlineExceeded", message)
        self._work.fail("DeadlineExceeded", message)

    async def _storage(self) -> None:
        message = await storage.until_exceeded(self.pod, self._work.volumes)
        self._node.events.warning(self.pod, "Evicted", message)
        self._state.disrupted = message
        self._work.fail("Evicted", message)
        self._grace = Grace(0, forced=True)

    async def _finish(self) -> None:
        state = self._state
        pod_state.settle(state)
        state.terminal = True
        self._work.volumes.remove()
        if state.address:
            self._node.addresses.give_back(state.address)
        self._writer.changed()
        await self._writer.settled()

    async def _confirm_deletion(self) -> None:
        """Tell the API server that nothing runs any more, so that the object can go."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid_of(self.pod)},
        }
        while not self._removed.is_set():
            try:
                await self._node.client.delete(pod_path(self.pod), options)
            except ApiError as error:
                if error.code in {NOT_FOUND, CONFLICT}:
                    return
                _LOG.warning("deletion of pod %s: %s", key_of(self.pod), error)
            except UNREACHABLE as error:
                _LOG.info("deletion of pod %s: %r", key_of(self.pod), error)
            else:
                return
            await asyncio.sleep(_DELETE_RETRY_SECONDS)

    def _end(self, seconds: float, *, forced: bool = False) -> None:
        if self._grace is None:
            self._grace = Grace(max(seconds, _FORCED_SECONDS), forced=forced or not seconds)
        else:
            self._grace.shorten(max(seconds, _FORCED_SECONDS))
        self._ending.set()

    def _grace_seconds(self) -> float:
        seconds = self.pod["spec"].get("terminationGracePeriodSeconds")
        return 30.0 if seconds is None else float(seconds)

    def _reserve_address(self) -> None:
        state = self._state
        if state.address and not state.terminal:
            kept = self._node.addresses.reserve(state.address)
            state.address = state.address if kept else None
