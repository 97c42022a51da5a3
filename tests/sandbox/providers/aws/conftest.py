from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sandbox.providers.aws.clients import Clients
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.base import Call, Connection, Existing
from sandbox.providers.values import Properties

REGION = "us-east-1"


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Plain moto, in a thread, on a free port."""
    # Only moto's own: nothing here may ever reach the real AWS.
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Engine:
    """The engine's operations on a stack's resources, without the engine."""

    provider: AwsProvider
    clients: Clients
    stack: str = "pr-42"

    def call(self, token: str) -> Call:
        connection = Connection()
        connection.config = self.clients
        return Call(connection, f"urn:pulumi:{self.stack}::previews::{token}::x", token)

    async def create(self, token: str, **inputs: Any) -> Existing:
        resource, call = self.provider.resource(token), self.call(token)
        checked, problems = await resource.check(call, {}, inputs)
        assert problems == []
        made = await resource.create(call, checked)
        outputs = await resource.settle(call, made.identity, checked, made.outputs)
        return Existing(made.identity, outputs)

    async def update(
        self, token: str, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        resource, call = self.provider.resource(token), self.call(token)
        changed = await resource.update(call, identity, old, outputs, new)
        return await resource.settle(call, identity, new, changed)

    async def read(
        self, token: str, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        return await self.provider.resource(token).read(self.call(token), identity, inputs, outputs)

    async def delete(self, token: str, identity: str, inputs: Properties) -> None:
        await self.provider.resource(token).delete(self.call(token), identity, inputs, inputs)

    async def invoke(self, token: str, **arguments: Any) -> Properties:
        return await self.provider.function(token).invoke(self.call(token), arguments)


@pytest.fixture(scope="session")
def clients(endpoint: str) -> Clients:
    """Shared: boto3 takes a second to load its description of each API."""
    return Clients(endpoint, REGION)


@pytest.fixture
def engine(endpoint: str, clients: Clients) -> Engine:
    return Engine(AwsProvider(endpoint, REGION), clients)


@pytest.fixture(scope="session")
def boto(endpoint: str) -> Any:
    """A client of one API."""
    session = boto3.session.Session("x", "x", region_name=REGION)
    return functools.cache(functools.partial(session.client, endpoint_url=endpoint))
