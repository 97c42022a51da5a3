"""Health checks for Kubernetes and people, and the running version."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from service.database import DatabaseDep
from service.openapi import problems
from service.problems import Problem
from service.state import BuildDep, DrainingDep

router = APIRouter(tags=["health"], responses=problems(500))


class NotReadyError(Problem):
    """Failure of the database, or a process that is stopping."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "not-ready"
    title = "The service is not ready"
    headers = MappingProxyType({"Cache-Control": "no-store", "Retry-After": "2"})

    def __init__(self, *, api: str, database: str) -> None:
        super().__init__(f"api: {api}, database: {database}")
        self.extensions = {"api": api, "database": database}


class Live(BaseModel):
    """Confirmation that the process answers."""

    status: Literal["ok"] = "ok"


class Health(BaseModel):
    """Confirmation that the API and its database are healthy."""

    status: Literal["ok"] = "ok"
    api: Literal["ok"] = "ok"
    database: Literal["ok"] = "ok"


class Version(BaseModel):
    """The running version and the origin of its data."""

    commit: str
    pull_request: int | None
    snapshot: str | None
    environment: str


class Index(BaseModel):
    """Links for people who open the address in a browser."""

    service: str = "customers"
    links: dict[str, str] = {
        "customers": "/customers",
        "contract": "/openapi.json",
        "health": "/health",
        "version": "/version",
    }


@router.get("/", responses=problems(429))
async def index() -> Index:
    """Return links to the API's parts."""
    return Index()


@router.get("/health/live")
async def live() -> Live:
    """Return 200 if the process answers; the database is not queried."""
    return Live()


@router.get("/health/ready", responses=problems(503))
async def ready(database: DatabaseDep, draining: DrainingDep, response: Response) -> Health:
    """Return 200 if the database answers and the process is not stopping, else 503."""
    failure = await database.check()
    stopping = draining.is_set()
    if failure is not None or stopping:
        raise NotReadyError(api="draining" if stopping else "ok", database=failure or "ok")
    response.headers["Cache-Control"] = "no-store"
    return Health()


@router.get("/health", responses=problems(503))
async def health(database: DatabaseDep, draining: DrainingDep, response: Response) -> Health:
    """Return 200 if the API and its database are healthy: readiness, for people."""
    return await ready(database, draining, response)


@router.get("/version", responses=problems(429))
async def version(build: BuildDep) -> Version:
    """Return the running version and the origin of its data."""
    return Version.model_validate(build, from_attributes=True)
