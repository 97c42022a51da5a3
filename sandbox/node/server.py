"""The kubelet's HTTPS API, as far as the API server asks it: logs, Pods and health.

Whoever asks for more than health proves with a certificate of the cluster's CA that it
is the API server.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from sandbox.errors import SandboxError
from sandbox.kube import clock
from sandbox.node import log_reader
from sandbox.node.config import NodeConfig
from sandbox.node.log_reader import LogQuery
from sandbox.node.pod import PodWorker

_NOT_HERE = (
    "the sandbox's node does not offer {what}: its containers are processes of this machine. "
    "Read their logs with `kubectl logs`, and look at them with `ps`.\n"
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Find = Callable[[str, str], PodWorker | None]
"""The worker of the Pod with this namespace and name."""


class KubeletServer:
    """Answers the API server.

    Args:
        config: Where to listen, with which certificate.
        find: Finds Pods.
        pods: All Pods of the node.
        healthy: None, or what the node still waits for.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        find: Find,
        pods: Callable[[], list[PodWorker]],
        healthy: Callable[[], str | None],
    ) -> None:
        self._config = config
        self._find = find
        self._pods = pods
        self._healthy = healthy
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            SandboxError: When the port is taken or the certificate can't be used.
        """
        app = web.Application(middlewares=[_authenticated])
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/pods", self._list)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        for what in ("exec", "attach", "portForward", "run"):
            app.router.add_route("*", f"/{what}/{{rest:.*}}", _refuse(what))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        config = self._config
        site = web.TCPSite(
            self._runner, config.address, config.port, ssl_context=_tls(config), backlog=128
        )
        try:
            await site.start()
        except OSError as error:
            raise SandboxError(
                f"kubelet API on {config.address}:{config.port}",
                why=str(error),
                remedy="stop what listens there, or choose others with SANDBOX_SUBNET",
            ) from error

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        waiting = self._healthy()
        return web.Response(text=waiting or "ok", status=503 if waiting else 200)

    async def _list(self, _: web.Request) -> web.Response:
        items = [worker.pod for worker in self._pods()]
        body = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}
        return web.Response(text=json.dumps(body), content_type="application/json")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        namespace, pod, container = (
            request.match_info[k] for k in ("namespace", "pod", "container")
        )
        worker = self._find(namespace, pod)
        if worker is None:
            raise web.HTTPNotFound(text=f"pod {namespace}/{pod} is not on this node")
        try:
            query = _query(request)
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"log options: {error}") from error
        previous = request.query.get("previous") == "true"
        found = worker.log_of(container, previous=previous)
        if found is None or not found[0].exists():
            which = "previous terminated container" if previous else "container"
            text = f"{which} {container!r} in pod {pod!r} not found"
            raise web.HTTPNotFound(text=text)
        path, live = found
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if live is not None and request.query.get("follow") == "true":
            async for line in log_reader.follow(live, query):
                await response.write(line)
        else:
            for line in log_reader.read(path, query):
                await response.write(line)
        await response.write_eof()
        return response


def _query(request: web.Request) -> LogQuery:
    def number(name: str) -> int | None:
        text = request.query.get(name)
        if text is None:
            return None
        value = int(text)
        if value < 0:
            msg = f"{name} must not be negative, got {value}"
            raise ValueError(msg)
        return value

    since: datetime | None = None
    if "sinceTime" in request.query:
        since = clock.parse(request.query["sinceTime"])
    elif (seconds := number("sinceSeconds")) is not None:
        since = LogQuery.since_seconds(seconds)
    stream = request.query.get("stream", "All")
    return LogQuery(
        tail=number("tailLines"),
        since=since,
        limit=number("limitBytes"),
        timestamps=request.query.get("timestamps") == "true",
        stream=None if stream == "All" else stream.lower(),
    )


def _refuse(what: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=_NOT_HERE.format(what=what), status=501)

    return handler


@web.middleware
async def _authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    transport = request.transport
    if request.path != "/healthz" and not (transport and transport.get_extra_info("peercert")):
        raise web.HTTPUnauthorized(text="a client certificate of the cluster's CA is needed\n")
    return await handler(request)


def _tls(config: NodeConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=config.client_ca)
        context.load_cert_chain(config.certificate)
    except (OSError, ssl.SSLError) as error:
        raise SandboxError(
            f"certificate {config.certificate}",
            why=f"the kubelet API can't use it: {error}",
            remedy="run `sandbox down` and `sandbox up`, which write it anew",
        ) from error
    # Optional, so that a health check needs none; _authenticated asks for it elsewhere.
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
