"""Requests to the Kubernetes API."""

from __future__ import annotations

import json
import types
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp
import yarl

from sandbox.kube import kubeconfig
from sandbox.kube.objects import Object

REQUEST_SECONDS = 15
# A quiet watch gets a bookmark about once a minute; silence for longer is a dead connection.
WATCH_SILENCE_SECONDS = 120

NOT_FOUND = 404
CONFLICT = 409
GONE = 410

_STRATEGIC = "application/strategic-merge-patch+json"
_MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API server's refusal.

    Attributes:
        code: HTTP status.
        reason: The machine-readable word of the Status ("NotFound"), empty without one.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


UNREACHABLE = (aiohttp.ClientError, TimeoutError, ConnectionError)
"""What a request raises when the API server could not be asked."""


class ApiClient:
    """Talks to one API server as one user; used as an asynchronous context manager."""

    def __init__(self, connection: kubeconfig.Connection, *, agent: str) -> None:
        headers = {"User-Agent": agent, "Accept": "application/json"}
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        self._server = connection.server
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=connection.tls or True, limit=0),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        )

    @classmethod
    def from_kubeconfig(cls, path: Path, *, agent: str) -> Self:
        """A client for the file's current context; ``agent`` is its User-Agent."""
        return cls(kubeconfig.read(path), agent=agent)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """Read an object, or a list."""
        return await self._request("GET", path, params=params)

    async def create(self, path: str, body: Object) -> Object:
        """POST an object to its collection."""
        return await self._request("POST", path, body=body)

    async def patch(self, path: str, body: Object, *, strategic: bool = True) -> Object:
        """PATCH by strategic merge (lists by their merge key), or by plain JSON merge."""
        kind = _STRATEGIC if strategic else _MERGE
        return await self._request("PATCH", path, body=body, content_type=kind)

    async def replace(self, path: str, body: Object) -> Object:
        """PUT an object; its resourceVersion guards against a lost update."""
        return await self._request("PUT", path, body=body)

    async def delete(self, path: str, options: Object) -> Object:
        """DELETE with DeleteOptions."""
        return await self._request("DELETE", path, body=options)

    async def watch(self, path: str, params: Mapping[str, str]) -> AsyncIterator[Object]:
        """Yield watch events until the server ends the stream.

        Raises:
            ApiError: When the server refuses the watch.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_SECONDS, sock_read=WATCH_SILENCE_SECONDS
        )
        query = {**params, "watch": "true", "allowWatchBookmarks": "true"}
        async with self._session.get(self._url(path, query), timeout=timeout) as response:
            if not response.ok:
                raise await _refusal(response)
            rest = b""
            # Not `async for line in content`: aiohttp limits a line to 128 KiB.
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": content_type}
        async with self._session.request(
            method, self._url(path, params), data=data, headers=headers
        ) as response:
            if not response.ok:
                raise await _refusal(response)
            answer: Object = await response.json()
            return answer

    def _url(self, path: str, params: Mapping[str, str] | None) -> yarl.URL:
        url = yarl.URL(f"{self._server}{path}")
        return url.with_query(dict(params)) if params else url


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    text = await response.text()
    try:
        status: Any = json.loads(text)
        return ApiError(response.status, status.get("reason", ""), status.get("message", text))
    except (ValueError, AttributeError):
        return ApiError(response.status, "", text.strip() or str(response.reason))
