"""Carrying requests to targets and answers back, as streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import aiohttp
import yarl
from aiohttp import web
from multidict import CIMultiDict

from sandbox.balancer import headers, pages, websocket
from sandbox.balancer.model import Rule
from sandbox.balancer.pages import Preview
from sandbox.balancer.targets import LiveGroup, Target

_LOG = logging.getLogger(__name__)
CONNECT_SECONDS = 10.0
"""How long an ALB tries to reach a target before it answers 504."""
REASON_HEADER = "X-Sandbox-Reason"
_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

Find = Callable[[str, str], tuple[Rule, LiveGroup] | None]
"""The rule and the target group for a host and a path."""


class Proxy:
    """The load balancer's handler of requests.

    Args:
        find: Looks up rules.
        previews: What is served, for the page of an unknown host.
        session: Client for the targets.
        port: Where the balancer listens.
    """

    def __init__(
        self,
        *,
        find: Find,
        previews: Callable[[], list[Preview]],
        session: aiohttp.ClientSession,
        port: int,
    ) -> None:
        self._find = find
        self._previews = previews
        self._session = session
        self._port = port

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        host = _host(request)
        found = self._find(host, request.rel_url.raw_path)
        if found is None:
            return self._unknown(request, host)
        rule, group = found
        target = group.choose(least_outstanding=rule.options.least_outstanding)
        if target is None:
            return _failure(503, group.explain())
        target.outstanding += 1
        try:
            return await self._forward(request, target, rule.options.idle_seconds)
        finally:
            target.outstanding -= 1

    def _unknown(self, request: web.BaseRequest, host: str) -> web.Response:
        previews = self._previews()
        if "text/html" in request.headers.get("Accept", ""):
            text, kind = pages.unknown_host(host, previews), "text/html"
        else:
            text, kind = pages.unknown_host_text(host, previews), "text/plain"
        return web.Response(status=404, text=text, content_type=kind, headers=_OWN)

    async def _forward(
        self, request: web.BaseRequest, target: Target, idle: float
    ) -> web.StreamResponse:
        path = request.rel_url.raw_path_qs
        url = yarl.URL(f"http://{target.address}:{target.port}{path}", encoded=True)
        sent = headers.to_target(request.headers, client=request.remote or "", port=self._port)
        try:
            if websocket.is_upgrade(request):
                return await websocket.bridge(request, self._session, url, sent, idle=idle)
            return await self._exchange(request, url, sent, idle)
        except _ClientSilentError:
            return _failure(408, f"the client sent nothing for {idle:g} s")
        except TimeoutError:  # aiohttp's own timeouts are such, too.
            return _failure(504, f"{target} did not answer in time")
        except (aiohttp.ClientError, OSError) as error:
            return _failure(502, f"{target}: {error or type(error).__name__}")

    async def _exchange(
        self, request: web.BaseRequest, url: yarl.URL, sent: CIMultiDict[str], idle: float
    ) -> web.StreamResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle)
        async with self._session.request(
            request.method,
            url,
            headers=sent,
            data=await _body(request, idle),
            timeout=timeout,
            allow_redirects=False,
            skip_auto_headers=_SKIPPED,
        ) as answer:
            response = web.StreamResponse(
                status=answer.status,
                reason=answer.reason,
                headers=headers.end_to_end(answer.headers),
            )
            await response.prepare(request)
            await _carry(answer, response, request)
            return response


class _ClientSilentError(Exception):
    """The client stopped sending its request."""


async def _body(request: web.BaseRequest, idle: float) -> AsyncIterator[bytes] | None:
    if not request.can_read_body:
        return None
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return _chunks(request, idle)


async def _chunks(request: web.BaseRequest, idle: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(idle):
                chunk = await request.content.readany()
        except TimeoutError as error:
            raise _ClientSilentError from error
        if not chunk:
            return
        yield chunk


async def _carry(
    answer: aiohttp.ClientResponse, response: web.StreamResponse, request: web.BaseRequest
) -> None:
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientPayloadError, TimeoutError) as error:
        # The status is out: only a broken connection can say that the rest is missing.
        _LOG.warning("%s %s: the target's answer broke off: %r", request.method, request.url, error)
        if request.transport:
            request.transport.abort()
    except ConnectionError:
        _LOG.info("%s %s: the client went away", request.method, request.url)


def _host(request: web.BaseRequest) -> str:
    host = request.headers.get("Host", "")
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


_OWN = {"Server": "awselb/2.0"}


def _failure(status: int, reason: str) -> web.Response:
    _LOG.warning("answered %d: %s", status, reason)
    line = " ".join(reason.split())  # A header is one line.
    return web.Response(
        status=status,
        text=pages.error(status),
        content_type="text/html",
        headers={**_OWN, REASON_HEADER: line},
    )
