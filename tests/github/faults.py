"""The ways in which GitHub fails."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from aiohttp import web


class Fault(Enum):
    """What happens instead of an answer."""

    SERVER_ERROR = auto()
    """502, as from a proxy in front of nothing."""
    EMPTY = auto()
    """200 with an empty list or object: an answer that says nothing and looks like one."""
    NOTHING = auto()
    """200 without a body."""
    GARBLED = auto()
    """200 with half a JSON document."""
    SLOW = auto()
    """The right answer, late."""
    HUNG_UP = auto()
    """The connection is closed before an answer."""
    RATE_LIMITED = auto()
    """403: the hour's quota is used up."""
    SECONDARY_LIMIT = auto()
    """403: too many requests at once."""
    UNAUTHORIZED = auto()
    """401: the token has expired."""


@dataclass
class Trouble:
    """A fault that meets some requests.

    Attributes:
        fault: What happens.
        path: Which paths, as a regular expression; the whole API without one.
        method: Which method; every one without.
        times: How often; for ever without.
        seconds: How late a slow answer is, and how long a quota stays used up.
    """

    fault: Fault
    path: str = ""
    method: str = ""
    times: int | None = None
    seconds: float = 3600

    def meets(self, request: web.Request) -> bool:
        """Whether the request meets it; each time counts."""
        if self.times == 0 or (self.method and request.method != self.method):
            return False
        if not re.search(self.path, request.path):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def _message(text: str, status: int, **headers: str) -> web.Response:
    body = {"message": text, "documentation_url": "https://docs.github.com/rest"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(body, status=status, headers=named)


def _empty(request: web.Request) -> web.Response:
    is_list = not re.search(r"/\d+$", request.path)
    return web.json_response([] if is_list else {})


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def instead(trouble: Trouble, request: web.Request) -> web.StreamResponse | None:
    """What is answered instead; None where the right answer follows."""
    if trouble.fault is Fault.SLOW:
        await asyncio.sleep(trouble.seconds)
        return None
    seconds = int(trouble.seconds)
    answers: dict[Fault, Callable[[], web.Response]] = {
        Fault.SERVER_ERROR: lambda: _message("Server Error", 502),
        Fault.EMPTY: lambda: _empty(request),
        Fault.NOTHING: lambda: web.Response(content_type="application/json"),
        Fault.GARBLED: lambda: web.Response(text='[{"number": 4', content_type="application/json"),
        Fault.HUNG_UP: lambda: _hang_up(request),
        Fault.RATE_LIMITED: lambda: _message(
            "API rate limit exceeded for installation.",
            403,
            X_RateLimit_Limit="1000",
            X_RateLimit_Remaining="0",
            X_RateLimit_Reset=str(int(time.time()) + seconds),
        ),
        Fault.SECONDARY_LIMIT: lambda: _message(
            "You have exceeded a secondary rate limit.", 403, Retry_After=str(seconds)
        ),
        Fault.UNAUTHORIZED: lambda: _message("Bad credentials", 401),
    }
    return answers[trouble.fault]()
