"""Base classes of an emulated provider plugin.

``servicer.Servicer`` implements the engine's protocol for a ``Provider``, which handles no
protobuf messages:

* **Values** are plain Python. Secrets arrive unwrapped, since the provider declares no support for
  them; the engine then marks each output whose input of the same name was secret. An unknown is
  ``values.UNKNOWN`` and occurs in ``check``, ``diff`` and previews only.
* **Check** rejects every input that is not in the schema. **Diff** compares the old inputs with
  the new ones by the schema.
* **Create** can be run twice, since Pulumi may be killed between the remote call and the update of
  its state. An existing resource is adopted if it is this stack's, and rejected otherwise.
* **Settle** then waits until the resource works. After a failure the resource stays in the
  engine's state with the reason, so that no existing resource is lost.
* **A preview** calls nothing: the outputs are the old outputs updated by the inputs.
* **Errors**: raise ``SandboxError``; the engine shows it at the resource. Use ``call.wait`` to
  wait, so that Ctrl-C and time limits end it.
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
    """A wait was ended by a cancellation or a time limit."""


class Connection:
    """A provider instance of an engine.

    The engine opens a connection for each provider instance of a program, so that two engines, or
    two providers with different settings, never share one.

    Attributes:
        config: Result of ``Provider.configure`` for this connection's settings.
        configured: True once the engine has configured it.
        cancelled: Set once the engine requests a cancellation.
        engine_address: Address of the engine, ``host:port``; empty if unknown.
    """

    def __init__(self, engine_address: str = "") -> None:
        self.config: Any = None
        self.configured = False
        self.cancelled = asyncio.Event()
        self.engine_address = engine_address
        self._channel: grpc.aio.Channel | None = None

    async def log(self, urn: str, message: str) -> None:
        """Show a message at the running operation; an engine that has ended is no error."""
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
        """Wait for an event, with a time limit.

        Raises:
            InterruptedWaitError: The operation was cancelled, or the time limit exceeded.
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
                why="the update was cancelled during this wait",
                remedy="run the same command again; it continues from here",
            )
        raise InterruptedWaitError(
            waiting_for,
            why=f"not reached after {seconds:g} s",
            remedy="read the reasons above; set a longer limit with custom_timeouts",
        )

    async def close(self) -> None:
        """Close the channel to the engine."""
        if self._channel is not None:
            await self._channel.close()


@dataclass(frozen=True)
class Call:
    """A request of the engine.

    Attributes:
        connection: The provider instance.
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
        """Name of the stack."""
        return self.urn.split("::")[0].rpartition(":")[2]

    async def log(self, message: str) -> None:
        """Show a message at the resource while the operation runs."""
        await self.connection.log(self.urn, message)

    async def wait(
        self, awaitable: Awaitable[_Value], *, default_seconds: float, waiting_for: str
    ) -> _Value:
        """Wait with the program's time limit, or else the default one.

        Raises:
            InterruptedWaitError: The operation was cancelled, or the time limit exceeded.
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
        """Wait until the probe returns another value than None, and return that."""

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
        identity: ID in the provider.
        outputs: Its outputs.
        inputs: After a read: its current inputs; None for the recorded ones.
    """

    identity: str
    outputs: Properties
    inputs: Properties | None = None


class Resource(abc.ABC):
    """A type of resource.

    Attributes:
        schema: Its inputs.
        name_input: Input with the remote object's name. A replacement with the same name can be
            created only after the old object is deleted.
    """

    schema: Schema
    name_input: str | None = None

    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        """Return the inputs to record, and their problems. ``old`` is empty on creation."""
        del call, old
        return new, problems(self.schema, new)

    async def diff(self, call: Call, identity: str, old: Properties, new: Properties) -> Diff:
        """Return the difference of two checked sets of inputs."""
        del call, identity
        diff = compare(self.schema, old, new)
        name = self.name_input
        same_name = name is not None and old.get(name) == new.get(name)
        return Diff(diff.changes, diff.replacing, delete_before_replace=same_name)

    @abc.abstractmethod
    async def create(self, call: Call, inputs: Properties) -> Existing:
        """Create it, or adopt what an interrupted run of this stack created."""

    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Wait until it works, and return its outputs.

        Raises:
            SandboxError: It exists but does not work; it stays in the state.
        """
        del call, identity, inputs
        return outputs

    @abc.abstractmethod
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        """Read it; None if it does not exist. Inputs and outputs are empty on an import."""

    @abc.abstractmethod
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        """Change it in place, and return its outputs."""

    @abc.abstractmethod
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        """Delete it, if it exists, and wait until it is gone."""


class Function(abc.ABC):
    """A function that reads something (``invoke``)."""

    schema: Schema

    @abc.abstractmethod
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        """Return the result."""


class Provider(abc.ABC):
    """Emulator of a plugin.

    Attributes:
        name: Name of the plugin, as in ``PULUMI_DEBUG_PROVIDERS``.
        version: Version of the emulated plugin.
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
        """Return the configuration of resources from a connection's checked settings."""

    async def moves(self, old: Properties, new: Properties) -> bool:  # noqa: ARG002 - most stay
        """Return True if changed settings refer to another place of all resources.

        The engine then creates all resources again *before* it deletes the old ones, so it must be
        False for settings that refer to the same place.
        """
        return False

    def resource(self, token: str) -> Resource:
        """Return the resource type of a token.

        Raises:
            SandboxError: The emulator lacks it; the error lists its types.
        """
        return self._known(self.resources, f"resource type {token}", token)

    def function(self, token: str) -> Function:
        """Return the function of a token.

        Raises:
            SandboxError: The emulator lacks it; the error lists its functions.
        """
        return self._known(self.functions, f"function {token}", token)

    def _known(self, table: Mapping[str, _Value], what: str, token: str) -> _Value:
        if token in table:
            return table[token]
        raise SandboxError(
            what,
            why=f"the sandbox's emulator of the {self.name} plugin lacks it; it has "
            + (", ".join(sorted(table)) or "none"),
            remedy=f"install the {self.name} plugin (`pulumi plugin install resource"
            f" {self.name}`), or add it to the emulator in sandbox/providers/",
        )
