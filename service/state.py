"""What the lifespan hands to requests, typed."""

from __future__ import annotations

import threading
from typing import Annotated, TypedDict

from fastapi import Depends
from starlette.requests import Request

from service.database import Database
from service.settings import BuildInformation


class State(TypedDict):
    """Yielded by the lifespan; Starlette copies it into each request's ``state``.

    Attributes:
        database: The process' connections.
        build: What is running.
        draining: Set once the process has been told to stop.
    """

    database: Database
    build: BuildInformation
    draining: threading.Event


async def _build(request: Request) -> BuildInformation:
    build: BuildInformation = request.state.build
    return build


async def _draining(request: Request) -> threading.Event:
    draining: threading.Event = request.state.draining
    return draining


BuildDep = Annotated[BuildInformation, Depends(_build)]
DrainingDep = Annotated[threading.Event, Depends(_draining)]
