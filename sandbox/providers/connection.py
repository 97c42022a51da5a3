"""One engine's connection to a stand-in: its configuration, its cancellation, its log."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from sandbox.errors import SandboxError

_REMEMBERED: Final = 256
_LOG_SECONDS: Final = 2.0
_Value = TypeVar("_Value")


class InterruptedWaitError(SandboxError):
    """The person, or the engine's time limit, ended a wait."""


class Connection:
    """What one provider instance of one engine told this server.

    The engine opens one connection for each provider instance of a program, so that
    two engines, or two providers with different settings, never share one.

    Attributes:
        config: What ``Provider.configure`` made of this connection's settings.
        configured: Whether the engine has configured it.
        cancelled: Set once the engine asked to end what is running.
    """

    def __init__(self) -> None:
        self.config: Any = None
        self.configured = False
        self.cancelled = asyncio.Event()
        self._engine_address = ""
        self._channel: grpc.aio.Channel | None = None

    @property
    def engine_address(self) -> str:
        """Where the engine listens, ``host:port``; empty when it did not say."""
        return self._engine_address

    def attach(self, engine_address: str) -> None:
        """Remember where the engine listens for log messages."""
        self._engine_address = engine_address

    async def log(self, urn: str, message: str, *, level: str, ephemeral: bool) -> None:
        """Show a message at a resource; an engine that is gone is no error.

        Args:
            urn: The resource.
            message: What to show.
            level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
            ephemeral: Shown beside the running operation only, not kept.
        """
        if not self._engine_address:
            return
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._engine_address)
        request = engine_pb2.LogRequest(
            severity=engine_pb2.LogSeverity.Value(level),
            message=message,
            urn=urn,
            ephemeral=ephemeral,
        )
        with contextlib.suppress(grpc.aio.AioRpcError):
            await engine_pb2_grpc.EngineStub(self._channel).Log(request, timeout=_LOG_SECONDS)

    async def wait(
        self, awaitable: Awaitable[_Value], seconds: float, *, waiting_for: str
    ) -> _Value:
        """Wait for something that may never happen.

        Raises:
            InterruptedWaitError: When the engine was cancelled, or the time is over.
        """
        task = asyncio.ensure_future(awaitable)
        cancelled = asyncio.ensure_future(self.cancelled.wait())
        try:
            await asyncio.wait(
                {task, cancelled}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return task.result()
        finally:
            cancelled.cancel()
            task.cancel()
            await asyncio.gather(task, cancelled, return_exceptions=True)
        if self.cancelled.is_set():
            raise InterruptedWaitError(
                waiting_for,
                why="the update was cancelled while this was being waited for",
                remedy="run the same command again: it goes on from here",
            )
        raise InterruptedWaitError(
            waiting_for,
            why=f"not so after {seconds:g} s",
            remedy="see the reasons above; a longer limit is set with custom_timeouts",
        )

    async def close(self) -> None:
        """Drop the channel to the engine."""
        if self._channel is not None:
            await self._channel.close()


class Connections:
    """The connections of one server by peer address, the least recently used forgotten."""

    def __init__(self) -> None:
        self._by_peer: OrderedDict[str, Connection] = OrderedDict()

    async def open(self, peer: str) -> Connection:
        """Start afresh: a peer that shakes hands is new, even if its port was used before."""
        await self._forget(self._by_peer.pop(peer, None))
        self._by_peer[peer] = Connection()
        if len(self._by_peer) > _REMEMBERED:
            await self._forget(self._by_peer.popitem(last=False)[1])
        return self._by_peer[peer]

    async def get(self, peer: str) -> Connection:
        """The connection of a peer, opened when the peer did not shake hands."""
        if peer not in self._by_peer:
            return await self.open(peer)
        self._by_peer.move_to_end(peer)
        return self._by_peer[peer]

    async def _forget(self, connection: Connection | None) -> None:
        if connection is not None:
            await connection.close()
