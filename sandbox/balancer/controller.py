"""Controller: updates the load balancer to the Ingresses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.networking_v1 import Ingress

from sandbox.balancer import model
from sandbox.balancer.follower import Follower, connect
from sandbox.balancer.ingress_status import IngressStatus
from sandbox.balancer.model import Model, Object, Rule, ServicePort
from sandbox.balancer.proxy import Preview, Proxy
from sandbox.balancer.targets import LiveGroup
from sandbox.errors import SandboxError

_IDLE_SECONDS = 60
_HTTP = 80
# An ALB's limit for a request line and for a header.
_LINE_BYTES = 16 * 1024


@dataclass(frozen=True)
class BalancerConfig:
    """Configuration of the load balancer.

    Attributes:
        kubeconfig: Credentials of the controller.
        port: Port of the listener, which ``listen-ports`` must contain.
        address: Address of the listener.
    """

    kubeconfig: Path
    port: int
    address: str = "127.0.0.1"


class Balancer:
    """The controller and the load balancer.

    Args:
        config: Its configuration.
    """

    def __init__(self, config: BalancerConfig) -> None:
        self._config = config
        self._model = Model()
        self._groups: dict[ServicePort, LiveGroup] = {}
        self._followers: dict[Any, Follower] = {}
        self._status: IngressStatus | None = None
        self._built = False

    def healthy(self) -> str | None:
        """Return None once all rules of the cluster are in place, else the reason."""
        return None if self._built else "the Ingresses"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen, and follow the cluster's objects.

        Raises:
            SandboxError: The port is taken, or there are no credentials.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            yield

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        enter = stack.enter_async_context
        client = await enter(connect(self._config.kubeconfig))
        self._session = await enter(_target_session())
        self._status = IngressStatus(client)
        for kind in (Ingress, Service, EndpointSlice):
            self._followers[kind] = Follower(client, kind, self._on_change)
        await self._listen(stack)
        stack.callback(self._close_groups)
        for coroutine in (
            *(follower.run() for follower in self._followers.values()),
            self._first_build(),
            self._status.run(),
        ):
            task = asyncio.create_task(coroutine)
            stack.push_async_callback(_cancel, task)

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        proxy = Proxy(
            find=self._find,
            previews=self._previews,
            session=self._session,
            port=self._config.port,
        )
        server = web.Server(
            proxy.handle,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        address, port = self._config.address, self._config.port
        try:
            await web.TCPSite(runner, address, port, backlog=1024).start()
        except OSError as error:
            raise SandboxError(
                f"load balancer on {address}:{port}",
                why=str(error),
                remedy="stop the process that uses it, or set another SANDBOX_HTTP_PORT",
            ) from error

    async def _first_build(self) -> None:
        for follower in self._followers.values():
            await follower.synced.wait()
        self._built = True
        self._build()

    def _on_change(self) -> None:
        # At once, so that a removed endpoint gets no further request.
        if self._built:
            self._build()

    def _build(self) -> None:
        ingresses = [i for i in self._objects(Ingress).values() if model.is_ours(i)]
        built = model.build(
            [i for i in ingresses if "deletionTimestamp" not in i["metadata"]],
            self._objects(Service),
            self._objects(EndpointSlice).values(),
            port=self._config.port,
        )
        for backend in set(self._groups) - set(built.groups):
            self._groups.pop(backend).close()
        for backend, wanted in built.groups.items():
            if backend not in self._groups:
                self._groups[backend] = LiveGroup(backend, self._session)
            self._groups[backend].update(wanted)
        self._model = built
        assert self._status is not None  # noqa: S101 - narrows the type: set in _start
        self._status.update(ingresses, built)

    def _objects(self, kind: Any) -> dict[str, Object]:
        return self._followers[kind].objects

    def _find(self, host: str, path: str) -> tuple[Rule, LiveGroup] | None:
        rule = self._model.find(host, path)
        return None if rule is None else (rule, self._groups[rule.backend])

    def _previews(self) -> dict[str, Preview]:
        port = "" if self._config.port == _HTTP else f":{self._config.port}"
        found: dict[str, Preview] = {}
        for rule in self._model.rules:
            if rule.host is None or rule.host.startswith("*") or rule.host in found:
                continue
            group = self._groups[rule.backend]
            found[rule.host] = Preview(
                url=f"http://{rule.host}{port}/",
                ingress=rule.ingress,
                healthy=len(group.healthy),
                targets=len(group.targets),
            )
        return dict(sorted(found.items()))

    def _close_groups(self) -> None:
        for group in self._groups.values():
            group.close()


def _target_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
    )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
