"""Forwarding of a request to a target and of its response, as by an ALB.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import yarl
from aiohttp import WSMsgType, web
from multidict import CIMultiDict, CIMultiDictProxy

_LOG = logging.getLogger(__name__)
# Time that an ALB tries to connect to a target before it returns 504.
_CONNECT_SECONDS = 10.0
_NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
# RFC 9110, 7.6.1: headers of one connection, not of the message.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
     "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
_FRAMES = {WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG}
Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class Exchange:
    """A request and its response.

    Args:
        session: Client for the targets.
        request: The client's request.
        target: ``address:port``.
        port: Port of the listener.
        idle: Idle timeout: seconds without a byte in either direction.

    Attributes:
        waits_for_client: True while the next byte must come from the client.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        request: web.BaseRequest,
        target: str,
        *,
        port: int,
        idle: float,
    ) -> None:
        self._session = session
        self._request = request
        self._url = yarl.URL(f"http://{target}{request.rel_url.raw_path_qs}", encoded=True)
        self._headers = _to_target(request.headers, client=request.remote or "", port=port)
        self._idle = idle
        self._response: web.StreamResponse | None = None
        self._quiet = asyncio.timeout(idle)
        self.waits_for_client = False

    async def run(self) -> web.StreamResponse:
        """Forward both; a response that is cut off closes the client's connection.

        Raises:
            TimeoutError: The idle timeout was exceeded before the response began.
            aiohttp.ClientError: The target can't be reached, or sends no response.
        """
        upgrade = self._request.headers.get("Upgrade", "").lower() == "websocket"
        try:
            async with self._quiet:
                return await (self._carry_websocket() if upgrade else self._carry())
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is a subclass of OSError.
            if self._response is None:
                raise
            # The status is sent: only a closed connection can show that the rest is missing.
            _LOG.warning(
                "%s %s: the response was cut off: %r", self._request.method, self._url, error
            )
            if self._request.transport:
                self._request.transport.abort()
            return self._response

    async def _carry(self) -> web.StreamResponse:
        request = self._request
        async with self._session.request(
            request.method,
            self._url,
            headers=self._headers,
            data=self._body() if request.can_read_body else None,
            # aiohttp's sock_read would include the time of a long upload.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            allow_redirects=False,
            skip_auto_headers=_NOT_ADDED,
        ) as answer:
            self._response = web.StreamResponse(
                status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
            )
            self._heard()
            await self._response.prepare(request)
            async for chunk in answer.content.iter_any():
                self._heard()
                await self._response.write(chunk)
            await self._response.write_eof()
            return self._response

    async def _body(self) -> AsyncIterator[bytes]:
        request = self._request
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            self.waits_for_client = True
            chunk = await request.content.readany()
            self.waits_for_client = False
            self._heard()
            if not chunk:
                return
            yield chunk

    def _heard(self) -> None:
        if not self._quiet.expired():
            self._quiet.reschedule(asyncio.get_running_loop().time() + self._idle)

    async def _carry_websocket(self) -> web.StreamResponse:
        offered = self._headers.popall("Sec-WebSocket-Protocol", ())
        # The client library does its own handshake.
        for name in ("Key", "Version", "Extensions"):
            self._headers.popall(f"Sec-WebSocket-{name}", None)
        try:
            target = await self._session.ws_connect(
                self._url,
                headers=self._headers,
                protocols=[name.strip() for value in offered for name in value.split(",")],
                autoping=False,
                autoclose=False,
                max_msg_size=0,
            )
        except aiohttp.WSServerHandshakeError as error:
            # The target does not accept the WebSocket: its response goes to the client.
            return web.Response(status=error.status, text=error.message)
        async with target:
            client = web.WebSocketResponse(
                protocols=[target.protocol] if target.protocol else [],
                autoping=False,
                autoclose=False,
                max_msg_size=0,
                compress=False,
            )
            self._response = client
            await client.prepare(self._request)
            await self._until_one_ends(client, target)
        return client

    async def _until_one_ends(
        self, client: web.WebSocketResponse, target: aiohttp.ClientWebSocketResponse
    ) -> None:
        ways = [
            asyncio.ensure_future(_carry_frames(client, target, self._heard)),
            asyncio.ensure_future(_carry_frames(target, client, self._heard)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for side in (client, target):
            await side.close()


async def _carry_frames(source: Side, sink: Side, heard: Callable[[], None]) -> None:
    while (message := await source.receive()).type in _FRAMES:
        heard()
        data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
        await sink.send_frame(data, message.type)
    if message.type is WSMsgType.CLOSE:
        await sink.close(code=message.data or 1000, message=(message.extra or "").encode())


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return all headers except those of the connection."""
    values = headers.getall("Connection", ())
    named = {name.strip().lower() for value in values for name in value.split(",")}
    left_out = _HOP_BY_HOP | named
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in left_out
    )


def _to_target(headers: CIMultiDictProxy[str], *, client: str, port: int) -> CIMultiDict[str]:
    """Return the headers of the request to the target."""
    sent = _end_to_end(headers)
    sent.popall("Expect", None)  # It is handled here.
    # Appended, so that the last entry is always the client's address as seen here.
    sent["X-Forwarded-For"] = ", ".join([*sent.popall("X-Forwarded-For", ()), client])
    sent["X-Forwarded-Proto"] = "http"
    sent["X-Forwarded-Port"] = str(port)
    if "X-Amzn-Trace-Id" not in sent:
        sent["X-Amzn-Trace-Id"] = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return sent
