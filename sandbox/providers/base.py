"""An emulator of a provider plugin: what it is made of, and what it knows of an engine's call.

``servicer.Servicer`` speaks the engine's protocol for a ``Provider``, which never sees a protobuf
message:

* **Values** are plain Python. Secrets arrive bare, since the engine is told that the provider does
  not take them, and then marks every output whose input of the same name was secret. An unknown is
  ``values.UNKNOWN`` and occurs in ``check``, ``diff`` and previews only.
* **Check** refuses every input that the schema does not list. **Diff** compares the old inputs with
  the new ones by the schema.
* **Create** can be run twice: pulumi may have been killed between the remote call and its own
  state. What exists already is adopted if it is this stack's, else refused.
* **Settle** then waits until the resource works. Whatever fails there leaves the resource in the
  engine's state with the reason, so that nothing that exists is ever forgotten.
* **A preview** calls nothing: the outputs are the inputs, over the old outputs.
* **Errors**: raise ``SandboxError``; the person reads it at the resource. Waits go through
  ``call.wait``, so that Ctrl-C and time limits end them.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from sandbox.errors import SandboxError
from sandbox.providers.inputs import Diff, Problem, Schema, compare, problems
from sandbox.providers.values import Properties

_Value = TypeVar("_Value")
_POLL_SECONDS: Final = 0.075
_LOG_SECONDS: Final = 2.0


class InterruptedWaitError(SandboxError):
    """The person, or the engine's time limit, ended a wait."""


class Connection:
    """One provider instance of one engine.

    The engine opens one connection for each provider instance of a program, so that two engines, or
    two providers with different settings, never share one.

    Attributes:
        config: What ``Provider.configure`` made of this connection's settings.
        configured: Whether the engine has configured it.
        cancelled: Set once the engine asked to end what is running.
        engine_address: Where the engine listens, ``host:port``; empty when it is not known.
    """

    def __init__(self, engine_address: str = "") -> None:
        self.config: Any = None
        self.configured = False
        self.cancelled = asyncio.Event()
        self.engine_address = engine_address
        self._channel: grpc.aio.Channel | None = None

    async def log(self, urn: str, message: str) -> None:
        """Show a message beside the running operation; an engine that is gone is no error."""
        if not self.engine_address:
            return
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.engine_address)
        request = engine_pb2.LogRequest(
            severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True
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


@dataclass(frozen=True)
class Call:
    """One request of the engine.

    Attributes:
        connection: The provider instance that it came through.
        urn: The resource, ``urn:pulumi:<stack>::<project>::<types>::<name>``.
        type: Type token, ``aws:ecr/repository:Repository``.
        seconds: The program's ``custom_timeouts`` for this operation, None without.
    """

    connection: Connection
    urn: str
    type: str
    seconds: float | None = None

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.urn.split("::")[0].rpartition(":")[2]

    async def log(self, message: str) -> None:
        """Show a message at the resource while the operation runs."""
        await self.connection.log(self.urn, message)

    async def wait(
        self, awaitable: Awaitable[_Value], *, default_seconds: float, waiting_for: str
    ) -> _Value:
        """Wait within the program's time limit, else the default one.

        Raises:
            InterruptedWaitError: On cancellation or when the time is over.
        """
        seconds = self.seconds or default_seconds
        return await self.connection.wait(awaitable, seconds, waiting_for=waiting_for)

    async def poll(
        self,
        probe: Callable[[], Awaitable[_Value | None]],
        *,
        default_seconds: float,
        waiting_for: str,
    ) -> _Value:
        """Wait until the probe returns something other than None."""

        async def until_found() -> _Value:
            while (found := await probe()) is None:  # noqa: ASYNC110 - remote state has no event
                await asyncio.sleep(_POLL_SECONDS)
            return found

        return await self.wait(
            until_found(), default_seconds=default_seconds, waiting_for=waiting_for
        )


@dataclass(frozen=True)
class Existing:
    """A remote object.

    Attributes:
        identity: The provider's id of it.
        outputs: What it is.
        inputs: When read: the inputs that it has now, None for those that are recorded.
    """

    identity: str
    outputs: Properties
    inputs: Properties | None = None


class Resource(abc.ABC):
    """One type of resource.

    Attributes:
        schema: Its inputs.
        name_input: The input that names the remote object. A replacement that keeps the
            name can only be created once the old object is gone.
    """

    schema: Schema
    name_input: str | None = None

    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        """The inputs to record, and what is wrong with them. ``old`` is empty on creation."""
        del call, old
        return new, problems(self.schema, new)

    async def diff(self, call: Call, identity: str, old: Properties, new: Properties) -> Diff:
        """What changed between two checked sets of inputs."""
        del call, identity
        diff = compare(self.schema, old, new)
        name = self.name_input
        same_name = name is not None and old.get(name) == new.get(name)
        return Diff(diff.changes, diff.replacing, delete_before_replace=same_name)

    @abc.abstractmethod
    async def create(self, call: Call, inputs: Properties) -> Existing:
        """Make it, or adopt what an interrupted run of this stack made."""

    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Wait until it works; returns the outputs then.

        Raises:
            SandboxError: It exists but does not work; it stays in the state.
        """
        del call, identity, inputs
        return outputs

    @abc.abstractmethod
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        """Look it up; None when it is gone. Inputs and outputs are empty on an import."""

    @abc.abstractmethod
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        """Change it in place; returns the outputs."""

    @abc.abstractmethod
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        """Delete it and wait until it is gone; one that is gone already is no error."""


class Function(abc.ABC):
    """One function that reads something (``invoke``)."""

    schema: Schema

    @abc.abstractmethod
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        """Look it up."""


class Provider(abc.ABC):
    """An emulator of one plugin.

    Attributes:
        name: The plugin's name, as in ``PULUMI_DEBUG_PROVIDERS``.
        version: The version of the plugin that it emulates.
        settings: Its configuration keys, all of them strings.
        resources: Its resource types by token.
        functions: Its functions by token.
    """

    name: str
    version: str
    settings: Schema
    resources: Mapping[str, Resource]
    functions: Mapping[str, Function]

    @abc.abstractmethod
    async def configure(self, settings: Properties) -> Any:
        """Make what the resources need of a connection's checked settings."""

    async def moves(self, old: Properties, new: Properties) -> bool:  # noqa: ARG002 - most stay
        """Whether changed settings mean that all resources live elsewhere.

        The engine then makes every resource anew *before* it deletes the old ones, so settings
        that still mean the same place must never move.
        """
        return False

    def resource(self, token: str) -> Resource:
        """The resource type of a token.

        Raises:
            SandboxError: Naming the type and what is known.
        """
        return self._known(self.resources, f"resource type {token}", token)

    def function(self, token: str) -> Function:
        """The function of a token.

        Raises:
            SandboxError: Naming the function and what is known.
        """
        return self._known(self.functions, f"function {token}", token)

    def _known(self, table: Mapping[str, _Value], what: str, token: str) -> _Value:
        if token in table:
            return table[token]
        raise SandboxError(
            what,
            why=f"the sandbox's emulator of the {self.name} plugin does not know it; it knows "
            + (", ".join(sorted(table)) or "none"),
            remedy=f"install the {self.name} plugin (`pulumi plugin install resource"
            f" {self.name}`), or teach the emulator under sandbox/providers/",
        )
