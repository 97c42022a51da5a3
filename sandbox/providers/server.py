"""Server of all emulated plugins, each on its own port.

Run as ``python -m sandbox.providers.server``. The engine connects to 127.0.0.1 only, so that the
sandbox's loopback subnet can't be used. The server chooses free ports and writes them to
``run/providers.json``; after a restart it uses the same ones if they are still free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.aws.identity import REGION
from sandbox.containers.store import ImageStore
from sandbox.providers.attachments import last_ports, write_ports
from sandbox.providers.aws.clients import Clients
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.base import Provider
from sandbox.providers.docker_build import DockerBuildProvider
from sandbox.providers.servicer import Servicer
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.system import ProcessIdentity

_LARGEST_MESSAGE = 400 * 1024 * 1024  # The engine's own limit, rpcutil.GrpcChannelOptions.
_STOP_SECONDS = 3.0
# boto3 blocks, and the engine does not limit its concurrent operations.
_THREADS = 32
_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ("grpc.max_send_message_length", _LARGEST_MESSAGE),
    # Otherwise a second server would silently share the port.
    ("grpc.so_reuseport", 0),
)
_log = logging.getLogger(__name__)


def emulators(settings: Settings) -> tuple[Provider, ...]:
    """Return an emulator for each of the program's plugins that no registry has."""
    images, clients = ImageStore(settings.home / "images"), Clients(settings.aws_endpoint, REGION)
    return (
        AwsProvider(settings.aws_endpoint, REGION),
        DockerBuildProvider(images, clients, PROJECT_ROOT, settings.builder),
    )


@contextlib.asynccontextmanager
async def serving(settings: Settings, providers: tuple[Provider, ...]) -> AsyncIterator[None]:
    """Serve while the context is open; the ports are written once all listen."""
    wanted = last_ports(settings)
    servers: list[grpc.aio.Server] = []
    ports: dict[str, int] = {}
    try:
        for provider in providers:
            server, port = await _start(provider, wanted.get(provider.name, 0))
            servers.append(server)
            ports[provider.name] = port
        write_ports(settings, ports, ProcessIdentity.of(os.getpid()))
        _log.info("emulators serve: %s", ports)
        yield
    finally:
        await asyncio.gather(*(server.stop(_STOP_SECONDS) for server in servers))


async def _start(provider: Provider, wanted: int) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    try:
        port = server.add_insecure_port(f"127.0.0.1:{wanted}")
    except RuntimeError:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="aws"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings = Settings()
    async with serving(settings, emulators(settings)):
        await stop.wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
