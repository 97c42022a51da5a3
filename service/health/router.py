"""Health for people and for Kubernetes, and what is running."""

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
    """A part that answers depend on has failed, or the process is stopping."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "not-ready"
    title = "The service is not ready"
    headers = MappingProxyType({"Cache-Control": "no-store", "Retry-After": "2"})

    def __init__(self, *, api: str, database: str) -> None:
        super().__init__(f"api: {api}, database: {database}")
        self.extensions = {"api": api, "database": database}


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Health(BaseModel):
    """Every part that answers depend on is well."""

    status: Literal["ok"] = "ok"
    api: Literal["ok"] = "ok"
    database: Literal["ok"] = "ok"


class Version(BaseModel):
    """What is running, and on which data."""

    commit: str
    pull_request: int | None
    snapshot: str | None
    environment: str


class Index(BaseModel):
    """Where things are, for somebody who opens the address in a browser."""

    service: str = "customers"
    links: dict[str, str] = {
        "customers": "/customers",
        "contract": "/openapi.json",
        "health": "/health",
        "version": "/version",
    }


@router.get("/", responses=problems(429))
async def index() -> Index:
    """Where things are."""
    return Index()


@router.get("/health/live")
async def live() -> Live:
    """Whether the process answers. Never asks the database."""
    return Live()


@router.get("/health/ready", responses=problems(503))
async def ready(database: DatabaseDep, draining: DrainingDep, response: Response) -> Health:
    """Whether requests should be sent here: the database answers, and nothing is stopping."""
    failure = await database.check()
    stopping = draining.is_set()
    if failure is not None or stopping:
        raise NotReadyError(api="draining" if stopping else "ok", database=failure or "ok")
    response.headers["Cache-Control"] = "no-store"
    return Health()


@router.get("/health", responses=problems(503))
async def health(database: DatabaseDep, draining: DrainingDep, response: Response) -> Health:
    """Whether the API and its database are well; the same as readiness, for people."""
    return await ready(database, draining, response)


@router.get("/version", responses=problems(429))
async def version(build: BuildDep) -> Version:
    """What is running, and on which data."""
    return Version.model_validate(build, from_attributes=True)
