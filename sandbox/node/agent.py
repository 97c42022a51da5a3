"""The node: gives every Pod that is scheduled to it a worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import aiohttp

from sandbox.kube.client import ApiClient
from sandbox.kube.events import Recorder
from sandbox.kube.informer import Informer
from sandbox.kube.objects import Object, key_of, uid_of
from sandbox.node import leftovers
from sandbox.node.addresses import Addresses
from sandbox.node.config import NodeConfig
from sandbox.node.downward import Host
from sandbox.node.images import Images
from sandbox.node.node_context import NodeContext
from sandbox.node.pod import PodWorker
from sandbox.node.registration import Registration, capacity
from sandbox.node.server import KubeletServer

_LOG = logging.getLogger(__name__)
_SHUTDOWN_SECONDS = 5.0


class Agent:
    """The kubelet of the sandbox.

    Args:
        config: What it was told when it started.
        images: Where images come from.
        also_waits_for: What else of this process has to be ready for the node to be healthy.
    """

    def __init__(
        self,
        config: NodeConfig,
        images: Images,
        *,
        also_waits_for: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._config = config
        self._images = images
        self._also_waits_for = also_waits_for
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._context: NodeContext | None = None
        self._waits_for: str | None = "the API server"

    def stop(self) -> None:
        """Let ``run`` end: containers get a moment to end by themselves."""
        self._stopping.set()

    def healthy(self) -> str | None:
        """None once Pods that are scheduled here are run, else what the node waits for."""
        return self._waits_for or self._also_waits_for()

    async def run(self) -> None:
        """Be the node until ``stop``.

        Raises:
            SandboxError: When it can't be one: no credentials, or its port is taken.
        """
        config = self._config
        config.pods.mkdir(parents=True, exist_ok=True, mode=0o700)
        leftovers.end_processes(config.pods)
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                ApiClient.from_kubeconfig(config.kubeconfig, agent="sandbox-node")
            )
            session = await stack.enter_async_context(_probe_session())
            self._context = NodeContext(
                config=config,
                client=client,
                events=Recorder(client, component="kubelet", host=config.name),
                images=self._images,
                addresses=Addresses(config.network, config.home / "last-address"),
                session=session,
                host=Host(config.name, config.address, capacity(config.home), config.api),
            )
            server = KubeletServer(
                config,
                find=self._find,
                pods=lambda: list(self._workers.values()),
                healthy=self.healthy,
            )
            await server.start()
            stack.push_async_callback(server.stop)
            await self._serve(self._context)

    async def _serve(self, context: NodeContext) -> None:
        informer = Informer(
            context.client,
            "/api/v1/pods",
            kind="Pod",
            on_change=self._on_change,
            params={"fieldSelector": f"spec.nodeName={self._config.name}"},
        )
        registration = Registration(context.client, self._config)
        background = [
            asyncio.create_task(coroutine, name=name)
            for name, coroutine in (
                ("pods", informer.run()),
                ("registration", registration.run()),
                ("events", context.events.run()),
                ("start-up", self._settle_in(informer, registration)),
            )
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await _until_first_failure([stopping, *background], ending=stopping)
        finally:
            for task in background:
                task.cancel()
            await self._shut_down()

    async def _settle_in(self, informer: Informer, registration: Registration) -> None:
        await informer.synced.wait()
        leftovers.remove_folders(self._config.pods, keep=self._workers)
        self._waits_for = "its registration"
        await registration.done.wait()
        self._waits_for = None
        _LOG.info("node %s is ready, with %d pods", self._config.name, len(self._workers))

    def _on_change(self, old: Object | None, new: Object | None) -> None:
        assert self._context is not None  # noqa: S101 - narrows the type: set before informers run
        if new is None:
            if old is not None and uid_of(old) in self._workers:
                self._workers[uid_of(old)].remove()
            return
        uid = uid_of(new)
        if uid in self._workers:
            self._workers[uid].update(new)
            return
        worker = PodWorker(self._context, new)
        self._workers[uid] = worker
        task = asyncio.create_task(worker.run(), name=f"pod {key_of(new)}")
        self._tasks[uid] = task
        task.add_done_callback(lambda done: self._forget(uid, done))

    def _forget(self, uid: str, task: asyncio.Task[None]) -> None:
        worker = self._workers.pop(uid)
        self._tasks.pop(uid, None)
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("pod %s", key_of(worker.pod), exc_info=error)

    def _find(self, namespace: str, name: str) -> PodWorker | None:
        wanted = f"{namespace}/{name}"
        return next((w for w in self._workers.values() if key_of(w.pod) == wanted), None)

    async def _shut_down(self) -> None:
        workers, tasks = list(self._workers.values()), list(self._tasks.values())
        for task in tasks:  # First, so that no worker reports what only the node's end causes.
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(worker.shut_down(_SHUTDOWN_SECONDS) for worker in workers))


async def _until_first_failure(
    tasks: list[asyncio.Task[Any]], *, ending: asyncio.Task[Any]
) -> None:
    waiting = set(tasks)
    while ending in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def _probe_session() -> aiohttp.ClientSession:
    # A new connection for each probe: one that is kept would hide a server that stopped listening.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, ssl=False, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    )
