"""WebSockets through the load balancer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import yarl
from aiohttp import web
from multidict import CIMultiDict

from sandbox.balancer import headers


def is_upgrade(request: web.BaseRequest) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def bridge(
    request: web.BaseRequest,
    session: aiohttp.ClientSession,
    url: yarl.URL,
    sent: CIMultiDict[str],
    *,
    idle: float,
) -> web.StreamResponse:
    """Connect to the target, then carry messages both ways until one side ends.

    Args:
        request: The client's handshake.
        session: Client for the targets.
        url: The target's.
        sent: Headers for the target.
        idle: Seconds without a message after which the connection is closed.

    Raises:
        aiohttp.ClientError: When the target can't be reached.
    """
    offered = [
        name.strip()
        for value in request.headers.getall("Sec-WebSocket-Protocol", ())
        for name in value.split(",")
    ]
    try:
        target = await session.ws_connect(
            url,
            headers=headers.without_websocket(sent),
            protocols=offered,
            autoping=False,
            autoclose=False,
            max_msg_size=0,
        )
    except aiohttp.WSServerHandshakeError as error:
        # The target answered, but not with a WebSocket: that is its answer to the client.
        return web.Response(status=error.status, text=error.message)
    async with target:
        chosen = [target.protocol] if target.protocol else []
        client = web.WebSocketResponse(
            protocols=chosen, autoping=False, autoclose=False, max_msg_size=0, compress=False
        )
        await client.prepare(request)
        await _until_end(client, target, idle)
    return client


Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _until_end(
    client: web.WebSocketResponse, target: aiohttp.ClientWebSocketResponse, idle: float
) -> None:
    try:
        async with asyncio.timeout(idle) as quiet:

            def heard() -> None:
                quiet.reschedule(asyncio.get_running_loop().time() + idle)

            ways = [
                asyncio.ensure_future(_carry(client, target, heard)),
                asyncio.ensure_future(_carry(target, client, heard)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
    except TimeoutError:
        pass
    for side in (client, target):
        await side.close()


async def _carry(source: Side, sink: Side, heard: Callable[[], None]) -> None:
    while True:
        message = await source.receive()
        heard()
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(message.data)
            case aiohttp.WSMsgType.CLOSE:
                await sink.close(code=message.data or 1000, message=(message.extra or "").encode())
                return
            case _:
                return
