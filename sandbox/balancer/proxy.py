"""The load balancer's handler of requests: it returns a target's response, or its own."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from sandbox.balancer.forwarding import Exchange
from sandbox.balancer.model import Rule
from sandbox.balancer.targets import LiveGroup

_LOG = logging.getLogger(__name__)
_OWN = {"Server": "awselb/2.0"}
_TITLES = {
    408: "408 Request Time-out",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}

Find = Callable[[str, str], tuple[Rule, LiveGroup] | None]
"""Function that returns the rule and the target group for a host and a path."""


@dataclass(frozen=True)
class Preview:
    """A served host.

    Attributes:
        url: Its URL.
        ingress: ``namespace/name`` of its Ingress.
        healthy: Number of healthy targets.
        targets: Number of targets.
    """

    url: str
    ingress: str
    healthy: int
    targets: int

    def __str__(self) -> str:
        state = "ready" if self.healthy else "starting" if self.targets else "nothing runs"
        return f"({state})  {self.ingress}, {self.healthy} of {self.targets} healthy"


class Proxy:
    """Handler of requests.

    Args:
        find: Returns the rule of a request.
        previews: Returns the served hosts, for the page of an unknown host.
        session: Client for the targets.
        port: Port of the listener.
    """

    def __init__(
        self,
        *,
        find: Find,
        previews: Callable[[], dict[str, Preview]],
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
            as_html = "text/html" in request.headers.get("Accept", "")
            text = unknown_host(host, self._previews(), as_html=as_html)
            kind = "text/html" if as_html else "text/plain"
            return web.Response(status=404, text=text, content_type=kind, headers=_OWN)
        rule, group = found
        with group.next_target(least_outstanding=rule.options.least_outstanding) as target:
            if target is None:
                return _failure(503, group.explain())
            where, idle = f"{target.address}:{target.port}", rule.options.idle_seconds
            exchange = Exchange(self._session, request, where, port=self._port, idle=idle)
            try:
                return await exchange.run()
            except TimeoutError:  # aiohttp's timeouts are subclasses of it.
                if exchange.waits_for_client:
                    return _failure(408, f"the client sent nothing for {idle:g} s")
                return _failure(504, f"{target} did not answer in time")
            except (aiohttp.ClientError, OSError) as error:
                return _failure(502, f"{target}: {error or type(error).__name__}")


def _host(request: web.BaseRequest) -> str:
    host = request.headers.get("Host", "")
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _failure(status: int, reason: str) -> web.Response:
    _LOG.warning("answered %d: %s", status, reason)
    title = _TITLES[status]
    return web.Response(
        status=status,
        # The text of an ALB.
        text=f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n",
        content_type="text/html",
        headers={**_OWN, "X-Sandbox-Reason": " ".join(reason.split())},  # A header is one line.
    )


def unknown_host(host: str, previews: dict[str, Preview], *, as_html: bool) -> str:
    """Return a page with the existing previews, for a browser or a terminal."""
    title = f"No preview is served at {host!r}."
    none = "" if previews else "There is none at all yet: run `make preview PR=42`."
    if not as_html:
        lines = [f"  {preview.url}  {preview}" for preview in previews.values()]
        return "\n".join([title, *lines, none]).strip() + "\n"
    items = "".join(
        f'<li><a href="{html.escape(preview.url)}">{html.escape(name)}</a> '
        + html.escape(str(preview))
        for name, preview in previews.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Previews</title>'
        "<style>:root{color-scheme:light dark} body{font:16px/1.6 system-ui;margin:12vh auto;"
        "max-width:45rem}</style>"
        f"<h1>No preview at this address</h1><p>{html.escape(title)}</p><ul>{items}</ul>"
        f"<p>{none}</p>"
    )
