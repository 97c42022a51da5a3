"""A provider whose remote system is a dictionary, and an engine's side of the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc
from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.base import Call, Existing, Function, Provider, Resource
from sandbox.providers.inputs import Input, Schema, Type
from sandbox.providers.servicer import Servicer
from sandbox.providers.values import Properties

THING = "toy:index:Thing"


_INPUTS: Schema = {
    "name": Input(required=True, replace=True),
    "size": Input(Type.NUMBER),
    "fate": Input(),
}
_ARGUMENTS: Schema = {"name": Input(required=True)}
_SETTINGS: Schema = {"place": Input(), "deep": Input()}


class Thing(Resource):
    schema = _INPUTS
    name_input = "name"

    def __init__(self, remote: dict[str, Properties]) -> None:
        self.remote = remote
        self.settling = asyncio.Event()

    @override
    async def create(self, call: Call, inputs: Properties) -> Existing:
        if inputs.get("fate") == "refused":
            raise SandboxError("thing", why="no", remedy="ask nicely")
        if inputs.get("fate") == "bug":
            raise ZeroDivisionError
        self.remote[inputs["name"]] = {**inputs, "place": call.connection.config}
        return Existing(inputs["name"], {**inputs, "state": "made"})

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        match inputs.get("fate"):
            case "unready":
                raise SandboxError("thing", why="it crashed", remedy="read its log")
            case "waits":
                self.settling.set()
                await call.wait(asyncio.Event().wait(), default_seconds=60, waiting_for="thing")
            case "settle-bug":
                raise ZeroDivisionError
        return {**outputs, "state": "ready"}

    @override
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        if identity not in self.remote:
            return None
        return Existing(identity, self.remote[identity])

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        self.remote[identity] = new
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        self.remote.pop(identity, None)


class Look(Function):
    schema = _ARGUMENTS

    @override
    async def invoke(self, call: Call, arguments: Properties) -> Properties:
        return {"place": call.connection.config, **arguments}


class Toy(Provider):
    name = "toy"
    version = "1.2.3"
    settings = _SETTINGS

    def __init__(self) -> None:
        self.remote: dict[str, Properties] = {}
        self.thing = Thing(self.remote)
        self.resources = {THING: self.thing}
        self.functions = {"toy:index:look": Look()}

    @override
    async def configure(self, settings: Properties) -> str:
        return str(settings.get("place", "home"))

    @override
    async def moves(self, old: Properties, new: Properties) -> bool:
        return bool(old.get("place") != new.get("place"))


@asynccontextmanager
async def served(provider: Provider) -> AsyncIterator[int]:
    """Its port on 127.0.0.1."""
    server = grpc.aio.server()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Any]:
    """A connection of its own, as each provider instance of an engine has."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
