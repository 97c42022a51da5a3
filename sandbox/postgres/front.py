"""Where clients connect: TLS ends here, and the server's socket is behind it.

The wheel's PostgreSQL is built without OpenSSL, and RDS takes no connection
without TLS (``rds.force_ssl`` is 1 since PostgreSQL 15). So each instance's
address is served here: TLS with the instance's certificate, then the bytes as
they are. A client without TLS gets the answer that RDS gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
import threading
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import uvloop

from sandbox.errors import SandboxError
from sandbox.postgres.folder import InstanceFolder, reachable_socket
from sandbox.postgres.wire import Opening, Request, fatal, read_opening

_CHUNK = 1 << 16
_HANDSHAKE_SECONDS = 15.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Endpoint:
    """An instance's address and the folder of the server behind it."""

    address: str
    port: int
    folder: InstanceFolder


class Front:
    """The listeners of all instances, on one event loop in a thread of its own."""

    def __init__(self) -> None:
        """Start the thread; it ends with the process."""
        self._loop = uvloop.new_event_loop()
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self._clients: dict[tuple[str, int], set[asyncio.StreamWriter]] = {}
        threading.Thread(target=self._loop.run_forever, name="postgres-front", daemon=True).start()

    def open(self, endpoint: Endpoint) -> None:
        """Listen on the endpoint's address, with the certificate in its folder.

        Raises:
            SandboxError: When the address is in use.
        """
        self._run(self._open(endpoint))

    def close(self, endpoint: Endpoint) -> None:
        """Stop listening and hang up; fine when it was not open."""
        self._run(self._close((endpoint.address, endpoint.port)))

    def _run(self, work: Awaitable[Result]) -> Result:
        async def awaited() -> Result:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result()

    async def _open(self, endpoint: Endpoint) -> None:
        key = (endpoint.address, endpoint.port)
        if key in self._servers:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(endpoint.folder.certificate)
        clients = self._clients.setdefault(key, set())

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.add(writer)
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await _Session(endpoint, context, reader, writer).run()
            writer.close()
            clients.discard(writer)

        try:
            self._servers[key] = await asyncio.start_server(serve, *key)
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}:
                raise
            raise SandboxError(
                f"database address {endpoint.address}:{endpoint.port}",
                why=f"it can't be listened on: {os.strerror(error.errno)}",
                remedy="stop what listens there, or give the sandbox other addresses with"
                " SANDBOX_SUBNET=127.<2-254>.0.0/16.",
            ) from error

    async def _close(self, key: tuple[str, int]) -> None:
        server = self._servers.pop(key, None)
        if server is None:
            return
        server.close()
        for writer in self._clients.pop(key, set()):
            writer.transport.abort()


@dataclass
class _Session:
    endpoint: Endpoint
    context: ssl.SSLContext
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _encrypted: bool = False

    async def run(self) -> None:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            opening = await self._opening()
        if opening is None:
            return
        if opening.code != Request.CANCEL and not self._encrypted:
            await self._refuse("28000", _no_encryption(self.endpoint, opening))
            return
        try:
            with reachable_socket(self.endpoint.folder.run) as folder:
                path = f"{folder}/{self.endpoint.folder.socket.name}"
                upstream_reader, upstream = await asyncio.open_unix_connection(path)
        except OSError:
            await self._refuse("57P03", "the database system is starting up")
            return
        upstream.write(opening.raw)
        await _join((self.reader, upstream), (upstream_reader, self.writer))

    async def _opening(self) -> Opening | None:
        """The start-up message, or a request to cancel; TLS is begun on the way."""
        while (opening := await read_opening(self.reader)) is not None:
            if opening.code == Request.GSSAPI:
                self.writer.write(b"N")
            elif opening.code == Request.TLS and not self._encrypted:
                self.writer.write(b"S")
                await self.writer.start_tls(self.context)
                self._encrypted = True
            else:
                return opening
        return None

    async def _refuse(self, code: str, message: str) -> None:
        self.writer.write(fatal(code, message))
        await self.writer.drain()


def _no_encryption(endpoint: Endpoint, opening: Opening) -> str:
    asked = opening.parameters
    user = asked.get("user", "")
    return (
        f'no pg_hba.conf entry for host "{endpoint.address}", user "{user}", '
        f'database "{asked.get("database", user)}", no encryption'
    )


async def _join(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Carry bytes both ways until either side hangs up."""
    tasks = [asyncio.create_task(_carry(reader, writer)) for reader, writer in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in ways:
            writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
