"""One request carried to a target and its answer back, as streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import yarl
from aiohttp import web
from multidict import CIMultiDict

from sandbox.balancer import headers

_LOG = logging.getLogger(__name__)
CONNECT_SECONDS = 10.0
"""How long an ALB tries to reach a target before it answers 504."""
_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Exchange:
    """A request and its answer.

    Args:
        session: Client for the targets.
        request: What the client sends.
        url: The target's.
        sent: Headers for the target.
        idle: Seconds without a byte in either direction after which it is given up.

    Attributes:
        waits_for_client: Whether the next byte has to come from the client.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        request: web.BaseRequest,
        url: yarl.URL,
        sent: CIMultiDict[str],
        *,
        idle: float,
    ) -> None:
        self._session = session
        self._request = request
        self._url = url
        self._sent = sent
        self._idle = idle
        self._response: web.StreamResponse | None = None
        self._quiet = asyncio.timeout(idle)
        self.waits_for_client = False

    async def run(self) -> web.StreamResponse:
        """Carry both; an answer that breaks off breaks the client's connection.

        Raises:
            TimeoutError: When nothing came for too long, before the answer began.
            aiohttp.ClientError: When the target could not be reached, or gave no answer.
        """
        try:
            async with self._quiet:
                return await self._carry()
        except (aiohttp.ClientError, OSError) as error:  # A TimeoutError is an OSError.
            if self._response is None:
                raise
            # The status is out: only a broken connection can say that the rest is missing.
            _LOG.warning("%s %s: the answer broke off: %r", self._request.method, self._url, error)
            if self._request.transport:
                self._request.transport.abort()
            return self._response

    async def _carry(self) -> web.StreamResponse:
        request = self._request
        # aiohttp's sock_read would count the time that a long upload takes.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        async with self._session.request(
            request.method,
            self._url,
            headers=self._sent,
            data=self._body() if request.can_read_body else None,
            timeout=timeout,
            allow_redirects=False,
            skip_auto_headers=_SKIPPED,
        ) as answer:
            self._response = web.StreamResponse(
                status=answer.status,
                reason=answer.reason,
                headers=headers.end_to_end(answer.headers),
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
