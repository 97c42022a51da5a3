"""The typed state that the lifespan passes to requests."""

from __future__ import annotations

import threading
from typing import Annotated, TypedDict

from fastapi import Depends
from starlette.requests import Request

from service.database import Database
from service.settings import BuildInformation


class State(TypedDict):
    """State yielded by the lifespan; Starlette copies it into each request's ``state``.

    Attributes:
        database: Connections of the process.
        build: Build information.
        draining: Set once the process is stopping.
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
