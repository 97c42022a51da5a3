"""Fake API server: collections with list and watch, and a record of the requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

Object = dict[str, Any]


class FakeApi:
    """Serves what a test puts into it.

    Attributes:
        requests: ``(method, path, body)`` of everything but reads.
        answers: ``(status, body)`` to answer instead, by ``"METHOD path"``, each used once.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Object]] = []
        self.answers: dict[str, list[tuple[int, Object]]] = {}
        self.objects: dict[str, list[Object]] = {}
        self.watches = 0
        self.lists = 0
        self._version = 100
        self._history: list[tuple[str, Object]] = []
        self._transports: list[asyncio.Transport] = []
        self._streams: list[tuple[str, asyncio.Queue[Object | None]]] = []

    def put(self, collection: str, name: str, **fields: Any) -> Object:
        """Add an object, or a new version of it, and send it to the watchers."""
        items = self.objects.setdefault(collection, [])
        old = next((item for item in items if item["metadata"]["name"] == name), None)
        item = self._item(name, fields, old)
        if old is not None:
            items.remove(old)
        items.append(item)
        self.notify(collection, "MODIFIED" if old else "ADDED", item)
        return item

    def remove(self, collection: str, name: str) -> None:
        items = self.objects[collection]
        old = next(item for item in items if item["metadata"]["name"] == name)
        items.remove(old)
        self.notify(collection, "DELETED", self._item(name, {}, old))

    def notify(self, collection: str, kind: str, item: Object) -> None:
        self._history.append((collection, {"type": kind, "object": item}))
        for path, stream in self._streams:
            if path == collection:
                stream.put_nowait({"type": kind, "object": item})

    def end_watches(self) -> None:
        for _, stream in self._streams:
            stream.put_nowait(None)

    def break_watches(self) -> None:
        """Close the watches' connections in the middle of their answers."""
        for transport in self._transports:
            transport.abort()

    def version(self) -> str:
        self._version += 1
        return str(self._version)

    def _item(self, name: str, fields: Object, old: Object | None) -> Object:
        metadata = {
            "namespace": "default",
            "uid": old["metadata"]["uid"] if old else f"uid-{name}-{self._version}",
            **fields.pop("metadata", {}),
            "name": name,
            "resourceVersion": self.version(),
        }
        return {**fields, "metadata": metadata}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        planned = self.answers.get(f"{request.method} {request.path}")
        body = await request.json() if request.can_read_body else {}
        if request.method != "GET":
            self.requests.append((request.method, request.path, body))
        if planned:
            status, answer = planned.pop(0)
            return web.json_response(answer, status=status)
        if request.method != "GET":
            return web.json_response(body, status=201 if request.method == "POST" else 200)
        if request.query.get("watch"):
            return await self._watch(request)
        self.lists += 1
        items = self.objects.get(request.path, [])
        return web.json_response({"metadata": {"resourceVersion": self.version()}, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watches += 1
        stream: asyncio.Queue[Object | None] = asyncio.Queue()
        since = int(request.query["resourceVersion"])
        for path, event in self._history:
            version = int(event["object"]["metadata"]["resourceVersion"])
            if path == request.path and version > since:
                stream.put_nowait(event)
        self._streams.append((request.path, stream))
        response = web.StreamResponse()
        await response.prepare(request)
        assert request.transport is not None
        self._transports.append(request.transport)
        try:
            while (event := await stream.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._streams.remove((request.path, stream))
        return response


@asynccontextmanager
async def serving(api: FakeApi, kubeconfig: Path) -> AsyncIterator[None]:
    """A fake that serves on a port of its own, which ``kubeconfig`` is written to name."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        _write_kubeconfig(kubeconfig, f"http://{host}:{port}")
        yield
    finally:
        api.end_watches()
        await runner.cleanup()


def _write_kubeconfig(path: Path, server: str) -> None:
    cluster = {"name": "c", "cluster": {"server": server}}
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    document = {"current-context": "c", "contexts": [context], "clusters": [cluster],
                "users": [{"name": "c", "user": {}}]}  # fmt: skip
    path.write_text(json.dumps(document))


async def until(condition: Any, seconds: float = 5) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.005)
