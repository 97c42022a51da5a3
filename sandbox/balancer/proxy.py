"""What the load balancer does with a request."""

from __future__ import annotations

import logging
from collections.abc import Callable

import aiohttp
import yarl
from aiohttp import web

from sandbox.balancer import headers, pages, websocket
from sandbox.balancer.exchange import Exchange
from sandbox.balancer.model import Rule
from sandbox.balancer.pages import Preview
from sandbox.balancer.targets import LiveGroup, Target

_LOG = logging.getLogger(__name__)
REASON_HEADER = "X-Sandbox-Reason"

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
        exchange = Exchange(self._session, request, url, sent, idle=idle)
        try:
            if websocket.is_upgrade(request):
                return await websocket.bridge(request, self._session, url, sent, idle=idle)
            return await exchange.run()
        except TimeoutError:  # aiohttp's own timeouts are such, too.
            if exchange.waits_for_client:
                return _failure(408, f"the client sent nothing for {idle:g} s")
            return _failure(504, f"{target} did not answer in time")
        except (aiohttp.ClientError, OSError) as error:
            return _failure(502, f"{target}: {error or type(error).__name__}")


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
