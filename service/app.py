"""Puts the service together."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.routing import APIRoute

from service import handlers, openapi
from service.customers.router import router as customers
from service.database import Database
from service.health.router import router as health
from service.settings import BuildInformation, DatabaseSettings, Settings, load
from service.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def create_app(
    settings: Settings | None = None,
    database: DatabaseSettings | None = None,
    build: BuildInformation | None = None,
) -> FastAPI:
    """Build the application.

    Args:
        settings: How to serve; from the environment when None.
        database: Where PostgreSQL is; from the environment when None.
        build: What is running; from the environment when None.

    Raises:
        ConfigurationError: The environment lacks something.
    """
    settings = settings or load(Settings)
    database_settings = database or load(DatabaseSettings)
    build = build or load(BuildInformation)
    draining = threading.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        connections = Database(database_settings)
        try:
            yield State(database=connections, build=build, draining=draining)
        finally:
            connections.close()

    app = FastAPI(
        title="Customers",
        summary="The customers of a small software business.",
        version="1.0.0",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        max_body_size=settings.max_body_bytes,
        generate_unique_id_function=_operation_id,
    )
    app.state.draining = draining
    handlers.install(app)
    openapi.install(app)
    app.include_router(health)
    app.include_router(customers)
    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name: it reads well in generated clients, and stays when a path moves."""
    return route.name
