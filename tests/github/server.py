"""Serves the state over HTTP, from a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.github.faults import Fault, Trouble, instead
from tests.github.permissions import allows, needed
from tests.github.routes import ADMINISTRATION, routes
from tests.github.state import REPOSITORY, TOKEN, State

_START_SECONDS = 10


class LocalGitHub:
    """GitHub's API on a loopback port, while the context lasts.

    Attributes:
        state: What it knows; tests change it as people and GitHub do.
        requests: Every request that came, as (method, path).
        refused: Those that the token's permissions do not allow.
        used: What each job's token was needed for; each is a set of which one is enough.
        url: Where it answers, for ``GITHUB_API_URL``.
    """

    def __init__(self, repository: str = REPOSITORY) -> None:
        self.state = State(repository)
        self.requests: list[tuple[str, str]] = []
        self.refused: list[tuple[str, str]] = []
        self.used: dict[str, set[frozenset[str]]] = {}
        self.url = ""
        self.on_request: Callable[[str, str], None] | None = None
        self._troubles: list[Trouble] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Variables that a workflow's run would have set."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": self.state.repository,
            "GITHUB_TOKEN": TOKEN,
        }

    def fail(self, fault: Fault, **trouble: Any) -> None:
        """Meet requests with a fault; `Trouble` says which and how often."""
        self._troubles.append(Trouble(fault, **trouble))

    def heal(self) -> None:
        """End every fault."""
        self._troubles.clear()

    def changes(self) -> list[tuple[str, str]]:
        """The requests that would have changed anything."""
        return [request for request in self.requests if request[0] != "GET"]

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            self._call(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> None:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(_START_SECONDS)

    async def _start(self) -> None:
        application = web.Application(middlewares=[self._middleware])
        application.add_routes(routes(self.state))
        # A slow answer is not waited for at the end.
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        [address] = self._runner.addresses
        self.url = f"http://127.0.0.1:{address[1]}"

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.on_request is not None:
            self.on_request(request.method, request.path)
        for trouble in [*self._troubles]:
            if trouble.meets(request):
                response = await instead(trouble, request)
                if response is not None:
                    return response
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() not in {"bearer", "token"} or token not in self.state.tokens:
            return web.json_response({"message": "Bad credentials"}, status=401)
        request[ADMINISTRATION] = self.state.tokens[token]
        if not self._may(token, request):
            self.refused.append((request.method, request.path))
            message = {"message": "Resource not accessible by integration"}
            return web.json_response(message, status=403)
        with self.state.lock:
            return await handler(request)  # type: ignore[no-any-return]

    def _may(self, token: str, request: web.Request) -> bool:
        """Return True if the job of a token may make a request; other tokens may make all."""
        granted = self.state.granted.get(token)
        if granted is None or request.match_info.http_exception is not None:
            return True
        path = request.path.removeprefix(f"/repos/{self.state.repository}")
        permissions = needed(request.method, path)
        self.used.setdefault(token, set()).add(permissions)
        return allows(granted, permissions)
