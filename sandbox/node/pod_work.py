"""Bringing one Pod's containers up in their order, and down in the reverse."""

from __future__ import annotations

import asyncio
import logging

from sandbox.kube.objects import Object, namespace_of
from sandbox.node import supported
from sandbox.node.container import ContainerWorker
from sandbox.node.container_spec import PodFiles
from sandbox.node.grace import Grace
from sandbox.node.handlers import Handlers
from sandbox.node.node_context import NodeContext
from sandbox.node.payload import Sources
from sandbox.node.pod_context import PodContext
from sandbox.node.records import ContainerRecord, Terminated
from sandbox.node.references import References, UnresolvedReferenceError
from sandbox.node.status import PodState
from sandbox.node.status_writer import StatusWriter
from sandbox.node.volumes import REFRESH_SECONDS, Volumes

_LOG = logging.getLogger(__name__)
UNSUPPORTED = "UnsupportedBySandbox"
# A Secret that is not there yet often comes a moment later; the kubelet looks less often.
_MOUNT_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)


class PodWork:
    """Runs one Pod.

    Args:
        node: What the node's Pods share.
        state: What the Pod's status is made of; changed here.
        writer: Told of every change.
    """

    def __init__(self, node: NodeContext, state: PodState, writer: StatusWriter) -> None:
        pod = state.pod
        folder = PodFiles(node.config.pods / pod["metadata"]["uid"])
        references = References(node.client, namespace_of(pod))
        self._node = node
        self._state = state
        self._writer = writer
        self._files = folder
        self._references = references
        self._workers: list[ContainerWorker] = []
        self._tasks: dict[ContainerWorker, asyncio.Task[None]] = {}
        self.volumes = Volumes(
            folder.volumes, Sources(pod, state.address or "", node.host, references)
        )

    def worker(self, container: str) -> ContainerWorker | None:
        """The worker of the container with this name, once it has one."""
        return next((w for w in self._workers if w.record.name == container), None)

    async def run(self) -> None:
        """Bring the Pod up; returns when all its containers have finished."""
        state = self._state
        self._writer.changed()
        refused = supported.refusals(state.pod["spec"])
        if refused:
            self.fail(UNSUPPORTED, "; ".join(refused))
            self._node.events.warning(state.pod, UNSUPPORTED, "; ".join(refused))
            return
        policy = self._policy
        if all(record.is_over(policy) for record in state.main):
            return
        self._take_address()
        await self._mount_volumes()
        context = self._context()
        if not await self._initialize(context, policy):
            return
        for record in state.main:
            self._start(ContainerWorker(context, record, restart_policy=policy))
        refresher = asyncio.ensure_future(self._refresh_volumes())
        try:
            mains = [self._tasks[w] for w in self._workers if w.record in state.main]
            await asyncio.gather(*(asyncio.shield(task) for task in mains))
        finally:
            refresher.cancel()

    async def stop(self, grace: Grace) -> None:
        """End what runs: the containers together, then the sidecars, the last one first."""
        sidecars = [worker for worker in self._workers if worker.record.sidecar]
        others = [worker for worker in self._workers if not worker.record.sidecar]
        await self._stop(others, grace)
        for worker in reversed(sidecars):
            await self._stop([worker], grace)

    def fail(self, reason: str, message: str) -> None:
        """The node fails the Pod; the first verdict stands."""
        self._state.verdict = self._state.verdict or (reason, message)
        self._writer.changed()

    def update(self, pod: Object) -> None:
        """A newer version of the Pod: its labels and annotations show in downward volumes."""
        self.volumes.sources.pod = pod

    @property
    def _policy(self) -> str:
        return str(self._state.pod["spec"].get("restartPolicy", "Always"))

    def _unfinished(self) -> list[ContainerRecord]:
        return [
            record
            for record in (*self._state.init, *self._state.main)
            if not record.is_over(self._policy)
        ]

    def _take_address(self) -> None:
        state, addresses = self._state, self._node.addresses
        # An address that it had before the node was restarted has been reserved for it.
        state.address = state.address or addresses.take()
        self.volumes.sources.address = state.address

    async def _mount_volumes(self) -> None:
        attempt = 0
        while True:
            try:
                self._files.root.mkdir(parents=True, exist_ok=True, mode=0o700)
                await self.volumes.prepare()
            except (UnresolvedReferenceError, OSError) as error:  # OSError: such as a full disk.
                self._node.events.warning(self._state.pod, "FailedMount", str(error))
                for record in self._unfinished():
                    record.waits("ContainerCreating", str(error))
                self._writer.changed()
            else:
                break
            last = len(_MOUNT_RETRY_SECONDS) - 1
            await asyncio.sleep(_MOUNT_RETRY_SECONDS[min(attempt, last)])
            attempt += 1
        waiting = "PodInitializing" if self._state.init else "ContainerCreating"
        for record in self._unfinished():
            record.waits(waiting)
        self._state.volumes_ready = True
        self._writer.changed()

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.volumes.prepare()
            except (UnresolvedReferenceError, OSError) as error:
                self._node.events.warning(self._state.pod, "FailedMount", str(error))

    async def _initialize(self, context: PodContext, policy: str) -> bool:
        """Run the init containers one after another; False when one failed for good."""
        for record in self._state.init:
            if not record.sidecar and isinstance(record.state, Terminated):
                # The Pod begins anew after a restart of the node, as after a reboot.
                record.waits("PodInitializing")
            again = "Always" if record.sidecar else "Never" if policy == "Never" else "OnFailure"
            worker = ContainerWorker(context, record, restart_policy=again)
            task = self._start(worker)
            if record.sidecar:
                started = asyncio.ensure_future(worker.started.wait())
                await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
                started.cancel()
                if task.done():
                    return False
            else:
                await asyncio.shield(task)
                if not record.succeeded:
                    return False
        return True

    def _start(self, worker: ContainerWorker) -> asyncio.Task[None]:
        self._workers.append(worker)
        task = asyncio.create_task(worker.work(), name=f"container {worker.record.name}")
        self._tasks[worker] = task
        return task

    async def _stop(self, workers: list[ContainerWorker], grace: Grace) -> None:
        for worker in workers:
            worker.stop(grace)
        tasks = [self._tasks[worker] for worker in workers]
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, BaseException):
                _LOG.error("container of %s", self._files.root.name, exc_info=result)

    def _context(self) -> PodContext:
        node, state = self._node, self._state
        address = state.address or ""
        return PodContext(
            pod=state.pod,
            address=address,
            host=node.host,
            files=self._files,
            volumes=self.volumes,
            images=node.images,
            references=self._references,
            handlers=Handlers(node.session, address),
            events=node.events,
            changed=self._writer.changed,
        )
