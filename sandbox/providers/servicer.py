"""The engine's provider protocol for a ``base.Provider``.

Pulumi's own ``pulumi.provider`` is for components: it has one configuration for all engines, no
unknowns, and can't keep a resource that was created and does not work.
"""

# gRPC defines the methods' names and arguments; provider.proto documents them.
# ruff: noqa: N802, D102, ARG002

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.errors import SandboxError
from sandbox.providers.base import Call, Connection, Existing, Provider, Resource
from sandbox.providers.inputs import Diff, Problem, compare, problems
from sandbox.providers.values import Properties, from_struct, has_unknown, to_struct

_log = logging.getLogger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]
_Response = TypeVar("_Response")
_REMEMBERED: Final = 256


def _answers(
    method: Callable[[Any, Any, _Context], Awaitable[_Response]],
) -> Callable[[Any, Any, _Context], Awaitable[_Response]]:
    """Convert an emulator's exceptions into a status that the engine shows at the resource."""

    async def call(self: Any, request: Any, context: _Context) -> _Response:
        try:
            return await method(self, request, context)
        except SandboxError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except (ValueError, TypeError) as error:
            _log.exception("bad request: %s", method.__name__)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{error}")
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:  # noqa: BLE001 - the engine must hear of any failure
            _log.exception("emulator failed: %s", method.__name__)
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                f"the emulator failed: {type(error).__name__}: {error}"
                " (see `sandbox logs providers`)",
            )
        raise AssertionError(method.__name__)  # abort always raises

    return call


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves an emulator to several engines at once."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        # By the peer's address, the least recently used first.
        self._connections: dict[str, Connection] = {}

    # The provider instance.

    async def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: _Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        # A handshake begins a new connection, even from a port that was used before.
        stale = [self._connections.pop(context.peer(), None)]
        if len(self._connections) >= _REMEMBERED:
            stale.append(self._connections.pop(next(iter(self._connections))))
        for connection in filter(None, stale):
            await connection.close()
        self._connection(context).engine_address = request.engine_address
        return provider_pb2.ProviderHandshakeResponse()

    async def Attach(self, request: plugin_pb2.PluginAttach, context: _Context) -> empty_pb2.Empty:
        self._connection(context).engine_address = request.address
        return empty_pb2.Empty()

    async def GetPluginInfo(
        self, request: empty_pb2.Empty, context: _Context
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    @_answers
    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: _Context
    ) -> provider_pb2.CheckResponse:
        found = problems(self._provider.settings, _settings(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    @_answers
    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: _Context
    ) -> provider_pb2.DiffResponse:
        old, new = _settings(request.old_inputs), _settings(request.news)
        diff = compare({}, old, new)
        if diff.changes and not has_unknown(new) and await self._provider.moves(old, new):
            diff = Diff(diff.changes, frozenset(diff.changes))
        return _diff_response(diff)

    @_answers
    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: _Context
    ) -> provider_pb2.ConfigureResponse:
        connection = self._connection(context)
        connection.config = await self._provider.configure(_settings(request.args))
        connection.configured = True
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    async def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:
        self._connection(context).cancelled.set()
        return empty_pb2.Empty()

    def _connection(self, context: _Context) -> Connection:
        peer = context.peer()
        connection = self._connections.pop(peer, None) or Connection()
        self._connections[peer] = connection
        return connection

    def _configured(self, context: _Context) -> Connection:
        connection = self._connection(context)
        if not connection.configured:
            raise SandboxError(
                f"the sandbox's {self._provider.name} provider",
                why="it was restarted, or lost its connection, while Pulumi was running",
                remedy="run the same command again",
            )
        return connection

    # Resources and functions.

    @_answers
    async def Check(
        self, request: provider_pb2.CheckRequest, context: _Context
    ) -> provider_pb2.CheckResponse:
        resource, call = self._call(request, context)
        old, new = from_struct(request.olds), from_struct(request.news)
        inputs, found = await resource.check(call, old, new)
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(found))

    @_answers
    async def Diff(
        self, request: provider_pb2.DiffRequest, context: _Context
    ) -> provider_pb2.DiffResponse:
        resource, call = self._call(request, context)
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        return _diff_response(await resource.diff(call, request.id, old, new))

    @_answers
    async def Create(
        self, request: provider_pb2.CreateRequest, context: _Context
    ) -> provider_pb2.CreateResponse:
        resource, call = self._call(request, context)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        inputs = from_struct(request.properties)
        made = await resource.create(call, inputs)
        outputs = await _settle(resource, call, made, inputs, context)
        return provider_pb2.CreateResponse(id=made.identity, properties=to_struct(outputs))

    @_answers
    async def Read(
        self, request: provider_pb2.ReadRequest, context: _Context
    ) -> provider_pb2.ReadResponse:
        resource, call = self._call(request, context)
        inputs, outputs = from_struct(request.inputs), from_struct(request.properties)
        found = await resource.read(call, request.id, inputs, outputs)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.identity,
            properties=to_struct(found.outputs),
            inputs=to_struct(inputs if found.inputs is None else found.inputs),
        )

    @_answers
    async def Update(
        self, request: provider_pb2.UpdateRequest, context: _Context
    ) -> provider_pb2.UpdateResponse:
        resource, call = self._call(request, context)
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        outputs = from_struct(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct({**outputs, **new}))
        changed = await resource.update(call, request.id, old, outputs, new)
        settled = await _settle(resource, call, Existing(request.id, changed), new, context)
        return provider_pb2.UpdateResponse(properties=to_struct(settled))

    @_answers
    async def Delete(
        self, request: provider_pb2.DeleteRequest, context: _Context
    ) -> empty_pb2.Empty:
        resource, call = self._call(request, context)
        inputs, outputs = from_struct(request.old_inputs), from_struct(request.properties)
        await resource.delete(call, request.id, inputs, outputs)
        return empty_pb2.Empty()

    @_answers
    async def Invoke(
        self, request: provider_pb2.InvokeRequest, context: _Context
    ) -> provider_pb2.InvokeResponse:
        function = self._provider.function(request.tok)
        connection, arguments = self._configured(context), from_struct(request.args)
        if found := problems(function.schema, arguments):
            return provider_pb2.InvokeResponse(failures=_failures(found))
        result = await function.invoke(Call(connection, "", request.tok), arguments)
        return provider_pb2.InvokeResponse(**{"return": to_struct(result)})

    def _call(self, request: Any, context: _Context) -> tuple[Resource, Call]:
        resource = self._provider.resource(request.type)
        seconds = getattr(request, "timeout", 0.0) or None
        return resource, Call(self._configured(context), request.urn, request.type, seconds)


def _settings(struct: Any) -> Properties:
    # The engine adds the SDK's version to the settings of a default provider.
    return {key: value for key, value in from_struct(struct).items() if key != "version"}


async def _settle(
    resource: Resource, call: Call, made: Existing, inputs: Properties, context: _Context
) -> Properties:
    """Wait for an existing resource; after a failure it stays in the engine's state."""
    try:
        return await resource.settle(call, made.identity, inputs, made.outputs)
    except SandboxError as error:
        await _abort_partial(context, made, inputs, str(error))
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever failed, the resource exists
        _log.exception("emulator failed while waiting: %s", call.urn)
        reason = f"the emulator failed while waiting: {type(error).__name__}: {error}"
        await _abort_partial(context, made, inputs, reason)
    raise AssertionError(call.urn)  # abort always raises


async def _abort_partial(
    context: _Context, made: Existing, inputs: Properties, reason: str
) -> NoReturn:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=made.identity,
        properties=to_struct(made.outputs),
        inputs=to_struct(inputs),
        reasons=[reason],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason)
    status.details.add().Pack(detail)
    await context.abort(
        grpc.StatusCode.UNKNOWN,
        reason,
        trailing_metadata=(("grpc-status-details-bin", status.SerializeToString()),),
    )


def _failures(found: list[Problem]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=it.property, reason=it.reason) for it in found]


def _diff_response(diff: Diff) -> provider_pb2.DiffResponse:
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME
        if diff.changes
        else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=diff.changes,
        replaces=sorted(diff.replacing),
        hasDetailedDiff=True,
        deleteBeforeReplace=diff.delete_before_replace,
    )
    for key, change in diff.changes.items():
        kind = f"{change.value}_REPLACE" if key in diff.replacing else change.value
        response.detailedDiff[key].CopyFrom(
            provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(kind), inputDiff=True
            )
        )
    return response
