"""What a stand-in for a provider plugin is made of.

A stand-in is a ``Provider``: a name, a table of settings, and for each type token a
``Resource``, for each function token a ``Function``. ``servicer.Servicer`` speaks the
engine's protocol for it, so that a stand-in never sees a protobuf message:

* **Values** are plain Python. Secrets arrive bare, since the engine is told that the
  provider does not take secrets and then marks the outputs itself wherever an input of
  the same name was secret; return ``values.Secret`` for an output that is secret of its
  own. An unknown is ``values.UNKNOWN`` and occurs in ``check``, ``diff`` and previews only.
* **Check** refuses every input that the schema does not list. **Diff** compares the old
  inputs with the new ones by the schema; both can be overridden.
* **Create** and **update** do the call and return; ``settle`` then waits until the
  resource works. Whatever fails in ``settle`` leaves the resource in the engine's state
  with its outputs and the reasons, so that nothing that exists is ever forgotten.
* **Create** can be run twice: pulumi may have been killed between the remote call and
  its own state. What exists already is adopted if it is this stack's, else refused.
* **A preview** calls nothing: the outputs are the inputs, over the old outputs.
* **Errors**: raise ``SandboxError``; the person reads it at the resource. Waits go
  through ``call.wait``, so that Ctrl-C and time limits end them.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from sandbox.errors import SandboxError
from sandbox.providers.changes import Diff, compare
from sandbox.providers.connection import Connection
from sandbox.providers.schema import Problem, Schema, canonical, problems, replacing_paths
from sandbox.providers.values import Properties

_Value = TypeVar("_Value")
_POLL_SECONDS: Final = 0.075


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
    def config(self) -> Any:
        """What ``Provider.configure`` returned for this connection."""
        return self.connection.config

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.urn.split("::")[0].rpartition(":")[2]

    async def log(self, message: str, *, level: str = "INFO", ephemeral: bool = False) -> None:
        """Show a message at the resource (``DEBUG``, ``INFO``, ``WARNING``, ``ERROR``)."""
        await self.connection.log(self.urn, message, level=level, ephemeral=ephemeral)

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

    schema: ClassVar[Schema] = {}
    name_input: ClassVar[str | None] = None

    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        """The inputs to record, and what is wrong with them. ``old`` is empty on creation."""
        del call, old
        return new, problems(self.schema, new)

    async def diff(self, call: Call, identity: str, old: Properties, new: Properties) -> Diff:
        """What changed between two checked sets of inputs."""
        del call, identity
        changes = compare(
            canonical(self.schema, old),
            canonical(self.schema, new),
            replacing=replacing_paths(self.schema),
        )
        name = self.name_input
        same_name = name is not None and old.get(name) == new.get(name)
        return Diff(changes, delete_before_replace=same_name)

    @abc.abstractmethod
    async def create(self, call: Call, inputs: Properties) -> Existing:
        """Make it, or adopt what an interrupted run of this stack made."""

    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Wait until it works; returns the outputs then.

        Raises:
            SandboxError: It exists but does not work; it is kept in the state.
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

    schema: ClassVar[Schema] = {}

    @abc.abstractmethod
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        """Look it up."""


class Provider(abc.ABC):
    """A stand-in for one plugin.

    Attributes:
        name: The plugin's name, as in ``PULUMI_DEBUG_PROVIDERS``.
        version: The version of the plugin that it stands in for.
        settings: Its configuration keys.
        resources: Its resource types by token.
        functions: Its functions by token.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    settings: ClassVar[Schema] = {}
    resources: Mapping[str, Resource]
    functions: Mapping[str, Function]

    @abc.abstractmethod
    async def configure(self, settings: Properties) -> Any:
        """Make what the resources need of a connection's checked settings."""

    async def moves(self, old: Properties, new: Properties) -> bool:  # noqa: ARG002 - most stay
        """Whether changed settings mean that all resources live elsewhere.

        The engine then makes every resource anew *before* it deletes the old ones, so this
        must never be said of settings that still mean the same place.
        """
        return False

    def resource(self, token: str) -> Resource:
        """The resource type of a token.

        Raises:
            SandboxError: Naming the type and what is known.
        """
        return _known(self.resources, token, f"resource type {token}", self.name)

    def function(self, token: str) -> Function:
        """The function of a token.

        Raises:
            SandboxError: Naming the function and what is known.
        """
        return _known(self.functions, token, f"function {token}", self.name)


def _known(table: Mapping[str, _Value], token: str, what: str, provider: str) -> _Value:
    if token in table:
        return table[token]
    raise SandboxError(
        what,
        why=f"the sandbox's stand-in for the {provider} plugin does not know it; it knows "
        + (", ".join(sorted(table)) or "none"),
        remedy=f"install the {provider} plugin (`pulumi plugin install resource {provider}`), "
        "or teach the stand-in under sandbox/providers/",
    )
