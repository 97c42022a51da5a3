"""The engine's provider protocol, spoken for a ``base.Provider``."""

# gRPC dictates the methods' names and arguments; provider.proto describes them.
# ruff: noqa: N802, D102, ARG002

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.errors import SandboxError
from sandbox.providers import schema
from sandbox.providers.base import Call, Existing, Provider, Resource
from sandbox.providers.changes import Change, Diff, Kind, compare, format_path
from sandbox.providers.connection import Connection, Connections
from sandbox.providers.values import Properties, from_struct, has_unknown, reveal, to_struct

_log = logging.getLogger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]
_Response = TypeVar("_Response")
_KINDS = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def _answers(
    method: Callable[[Any, Any, _Context], Awaitable[_Response]],
) -> Callable[[Any, Any, _Context], Awaitable[_Response]]:
    """Turn what a stand-in raises into a status that the engine shows at the resource."""

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
            _log.exception("stand-in failed: %s", method.__name__)
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                f"the stand-in failed: {type(error).__name__}: {error} (see the providers' log)",
            )
        raise AssertionError(method.__name__)  # abort always raises

    return call


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one stand-in to any number of engines at once."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._connections = Connections()

    # What the engine calls before anything else.

    async def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: _Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        connection = await self._connections.open(context.peer())
        connection.attach(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse()

    async def Attach(self, request: plugin_pb2.PluginAttach, context: _Context) -> empty_pb2.Empty:
        connection = await self._connections.get(context.peer())
        connection.attach(request.address)
        return empty_pb2.Empty()

    async def GetPluginInfo(
        self, request: empty_pb2.Empty, context: _Context
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    @_answers
    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: _Context
    ) -> provider_pb2.CheckResponse:
        settings = self._settings(from_struct(request.news))
        problems = schema.problems(self._provider.settings, settings)
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(problems))

    @_answers
    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: _Context
    ) -> provider_pb2.DiffResponse:
        old = self._settings(from_struct(request.old_inputs))
        new = self._settings(from_struct(request.news))
        moves = old != new and not has_unknown(new) and await self._provider.moves(old, new)
        changes = compare(old, new, replacing=[(key,) for key in new] if moves else [])
        return _diff_response(Diff(changes))

    @_answers
    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: _Context
    ) -> provider_pb2.ConfigureResponse:
        connection = await self._connections.get(context.peer())
        settings = self._settings(from_struct(request.args))
        connection.config = await self._provider.configure(reveal(settings))
        connection.configured = True
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def _settings(self, inputs: Properties) -> Properties:
        # The engine adds the version of the SDK to the settings of a default provider.
        inputs = {key: value for key, value in inputs.items() if key != "version"}
        return schema.decode_config(self._provider.settings, inputs)

    # Resources.

    @_answers
    async def Check(
        self, request: provider_pb2.CheckRequest, context: _Context
    ) -> provider_pb2.CheckResponse:
        resource, call = await self._call(request, context)
        old, new = from_struct(request.olds), from_struct(request.news)
        inputs, problems = await resource.check(call, old, new)
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(problems))

    @_answers
    async def Diff(
        self, request: provider_pb2.DiffRequest, context: _Context
    ) -> provider_pb2.DiffResponse:
        resource, call = await self._call(request, context)
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        return _diff_response(await resource.diff(call, request.id, old, new))

    @_answers
    async def Create(
        self, request: provider_pb2.CreateRequest, context: _Context
    ) -> provider_pb2.CreateResponse:
        resource, call = await self._call(request, context)
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
        resource, call = await self._call(request, context)
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
        resource, call = await self._call(request, context)
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
        resource, call = await self._call(request, context)
        inputs, outputs = from_struct(request.old_inputs), from_struct(request.properties)
        await resource.delete(call, request.id, inputs, outputs)
        return empty_pb2.Empty()

    async def _call(self, request: Any, context: _Context) -> tuple[Resource, Call]:
        resource = self._provider.resource(request.type)
        connection = await self._configured(context)
        seconds = getattr(request, "timeout", 0.0) or None
        return resource, Call(connection, request.urn, request.type, seconds)

    # Everything else.

    @_answers
    async def Invoke(
        self, request: provider_pb2.InvokeRequest, context: _Context
    ) -> provider_pb2.InvokeResponse:
        function = self._provider.function(request.tok)
        connection = await self._configured(context)
        arguments = reveal(from_struct(request.args))
        if problems := schema.problems(function.schema, arguments):
            return provider_pb2.InvokeResponse(failures=_failures(problems))
        result = await function.invoke(Call(connection, "", request.tok), arguments)
        return provider_pb2.InvokeResponse(**{"return": to_struct(result)})

    async def Cancel(self, request: empty_pb2.Empty, context: _Context) -> empty_pb2.Empty:
        connection = await self._connections.get(context.peer())
        connection.cancelled.set()
        return empty_pb2.Empty()

    async def _configured(self, context: _Context) -> Connection:
        connection = await self._connections.get(context.peer())
        if not connection.configured:
            raise SandboxError(
                f"the sandbox's {self._provider.name} provider",
                why="it was restarted, or lost its connection, while Pulumi was running",
                remedy="run the same command again",
            )
        return connection


async def _settle(
    resource: Resource, call: Call, made: Existing, inputs: Properties, context: _Context
) -> Properties:
    """Wait for a resource that exists; its failure must not make the engine forget it."""
    try:
        return await resource.settle(call, made.identity, inputs, made.outputs)
    except SandboxError as error:
        await _abort_partial(context, made, inputs, str(error))
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever failed, the resource exists
        _log.exception("stand-in failed while waiting: %s", call.urn)
        reason = f"the stand-in failed while waiting: {type(error).__name__}: {error}"
        await _abort_partial(context, made, inputs, reason)
    raise AssertionError(call.urn)  # abort always raises


async def _abort_partial(
    context: _Context, made: Existing, inputs: Properties, reason: str
) -> NoReturn:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=made.identity,
        properties=to_struct(made.outputs),
        inputs=to_struct(inputs),
        reasons=(reason,),
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason)
    status.details.add().Pack(detail)
    await context.abort(
        grpc.StatusCode.UNKNOWN,
        status.message,
        trailing_metadata=(("grpc-status-details-bin", status.SerializeToString()),),
    )


def _failures(problems: list[schema.Problem]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=p.property, reason=p.reason) for p in problems]


def _diff_response(diff: Diff) -> provider_pb2.DiffResponse:
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME
        if diff.changes
        else provider_pb2.DiffResponse.DIFF_NONE,
        hasDetailedDiff=True,
        deleteBeforeReplace=diff.delete_before_replace,
    )
    for change in diff.changes:
        _add_change(response, change)
    return response


def _add_change(response: provider_pb2.DiffResponse, change: Change) -> None:
    root, path = str(change.path[0]), format_path(change.path)
    if root not in response.diffs:
        response.diffs.append(root)
    if change.replaces and root not in response.replaces:
        response.replaces.append(root)
    response.detailedDiff[path].CopyFrom(
        provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replaces], inputDiff=True)
    )
