"""A balancer of the tests' own: a faked API server, real targets, a real client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.balancer.controller import Balancer, BalancerConfig
from tests.addresses import free_address, free_port
from tests.sandbox.balancer.fake_api import FakeApi, Object, serving
from tests.waiting import HANGS, eventually_beside

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
PREFIX = "alb.ingress.kubernetes.io/"
HOST = "pr-1.preview.localhost"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ingress(port: int, host: str | None = HOST, service: str = "web", **annotations: str) -> Object:
    path = {"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"name": "http"}}}}  # fmt: skip
    rule: Object = {"http": {"paths": [path]}}
    if host:
        rule["host"] = host
    given = {"listen-ports": json.dumps([{"HTTP": port}]), "target-type": "ip",
             "group.name": "previews", "healthcheck-path": "/health", **annotations}  # fmt: skip
    return {
        "metadata": {
            "namespace": "pr-1",
            "annotations": {
                f"{PREFIX}{name.replace('_', '-')}": value for name, value in given.items()
            },
        },
        "spec": {"ingressClassName": "alb", "rules": [rule]},
    }


def service(port_name: str = "http") -> Object:
    return {
        "metadata": {"namespace": "pr-1"},
        "spec": {"ports": [{"name": port_name, "port": 80, "targetPort": "http"}]},
    }


def endpoints(service: str, *targets: Target, **conditions: bool) -> Object:
    port = targets[0].port if targets else 1
    return {
        "metadata": {"namespace": "pr-1", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [
            {"addresses": [target.address], "conditions": {"ready": True, **conditions}}
            for target in targets
        ],
    }


class Target:
    """A server on an address of its own, as a Pod is.

    Attributes:
        seen: Requests but for health checks.
    """

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.seen: list[web.Request] = []
        self.healthy = True
        self.handler: Handler | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health":
            return web.Response(status=200 if self.healthy else 500)
        self.seen.append(request)
        if self.handler:
            return await self.handler(request)
        return web.Response(text=self.name)


@asynccontextmanager
async def target(name: str = "one", port: int | None = None) -> AsyncIterator[Target]:
    port = port or free_port()
    made = Target(name, free_address(port), port)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(
        app, shutdown_timeout=0.1, auto_decompress=False, handler_cancellation=True
    )
    await runner.setup()
    await web.TCPSite(runner, made.address, made.port).start()
    try:
        yield made
    finally:
        await runner.cleanup()


class World:
    """A running balancer."""

    def __init__(self, api: FakeApi, port: int, client: aiohttp.ClientSession) -> None:
        self.api = api
        self.port = port
        self.client = client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(self, method: str = "GET", path: str = "/", host: str = HOST, **more: Any) -> Any:
        headers = {"Host": f"{host}:{self.port}", **more.pop("headers", {})}
        return self.client.request(method, f"{self.url}{path}", headers=headers, **more)

    async def status(self, path: str = "/", host: str = HOST) -> int:
        async with self.request(path=path, host=host) as response:
            await response.read()
            return int(response.status)

    async def until_status(self, wanted: int, path: str = "/", host: str = HOST) -> None:
        async with asyncio.timeout(HANGS):
            while await self.status(path, host) != wanted:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)

    def serve(self, *targets: Target, **annotations: str) -> None:
        """An Ingress, a Service and endpoints for these targets."""
        self.api.put(SERVICES, "web", **service())
        self.api.put(SLICES, "web-1", **endpoints("web", *targets))
        self.api.put(INGRESSES, "web", **ingress(self.port, **annotations))

    def patches(self, suffix: str = "") -> list[Object]:
        path = f"/apis/networking.k8s.io/v1/namespaces/pr-1/ingresses/web{suffix}"
        return [body for method, at, body in self.api.requests if (method, at) == ("PATCH", path)]

    def events(self) -> list[tuple[str, str]]:
        return [
            (body["reason"], body["message"])
            for method, path, body in self.api.requests
            if method == "POST" and path.endswith("/events")
        ]

    async def until_event(self, reason: str) -> str:
        await eventually_beside(lambda: any(r == reason for r, _ in self.events()))
        return next(message for r, message in self.events() if r == reason)


@asynccontextmanager
async def balancing(tmp_path: Path, api: FakeApi | None = None) -> AsyncIterator[World]:
    api = api or FakeApi()
    port = free_port()
    kubeconfig = tmp_path / "kubeconfig"
    async with (
        serving(api, kubeconfig),
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        balancer = Balancer(BalancerConfig(kubeconfig=kubeconfig, port=port))
        async with balancer.running():
            await eventually_beside(lambda: balancer.healthy() is None)
            yield World(api, port, session)
