"""The FastAPI application with its middleware and routes."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service import handlers, openapi
from service.customers.router import router as customers
from service.database import Database
from service.health.router import router as health
from service.protection.headers import SECURITY_HEADERS
from service.protection.rate_limit import RateLimitMiddleware
from service.settings import BuildInformation, DatabaseSettings, Settings, load
from service.state import State
from service.telemetry import tracing
from service.telemetry.metrics import Metrics
from service.telemetry.middleware import TelemetryMiddleware
from service.telemetry.statements import trace_statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from opentelemetry.sdk.trace import SpanProcessor


def create_app(
    settings: Settings | None = None,
    database: DatabaseSettings | None = None,
    build: BuildInformation | None = None,
    *,
    connect: Callable[[DatabaseSettings], Database] = Database,
    span_processor: SpanProcessor | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        settings: Settings of the server; from the environment if None.
        database: Settings of PostgreSQL; from the environment if None.
        build: Build information; from the environment if None.
        connect: Opens the database; tests pass one that is rolled back.
        span_processor: Receives the traces instead of the configured exporter, for tests.

    Raises:
        ConfigurationError: The environment is invalid.
    """
    settings = settings or load(Settings)
    database_settings = database or load(DatabaseSettings)
    build = build or load(BuildInformation)
    draining = threading.Event()

    metrics = Metrics()
    traces = tracing.provider(settings, build, processor=span_processor)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        connections = connect(database_settings)
        metrics.watch(connections)
        if traces is not None:
            trace_statements(connections.engine, traces)
        try:
            yield State(database=connections, build=build, draining=draining)
        finally:
            await to_thread.run_sync(connections.close)
            if traces is not None:
                await to_thread.run_sync(traces.shutdown)

    app = FastAPI(
        title="Customers",
        summary="The customers of a small software business.",
        version="1.0.0",
        lifespan=lifespan,
        telemetry=tracing.telemetry_config(traces),
        # Their pages load scripts from another host; the contract is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.draining = draining
    handlers.install(app)
    openapi.install(app)
    _protect(app, settings, build, metrics)
    # Routes are matched in order, so the ones with most requests come first.
    app.include_router(customers)
    app.include_router(health)
    app.add_route("/metrics", metrics.endpoint, include_in_schema=False)
    return app


def _protect(app: FastAPI, settings: Settings, build: BuildInformation, metrics: Metrics) -> None:
    """Add the middleware, innermost first."""
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(RateLimitMiddleware, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Link", "Location", "RateLimit", "Retry-After", "X-Request-ID"],
            max_age=600,
        )
    if settings.allowed_hosts != ("*",):
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts))
    app.add_middleware(
        TelemetryMiddleware,
        metrics=metrics,
        headers={**SECURITY_HEADERS, "X-App-Commit": build.commit},
    )
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))


def _operation_id(route: APIRoute) -> str:
    """Return the function's name, which suits generated clients and stays when a path changes."""
    return route.name
