"""Rate limits for each client and each user, by the library ``limits``.

The client is the address that uvicorn's proxy middleware leaves in the scope: the nearest
one that no trusted proxy wrote, so a forged header changes nothing. The user is the
credential; as it is not verified here, an invented one is counted in addition to its client,
never instead of it.

Counts are kept in the process unless ``RATE_LIMIT_STORAGE`` names a Redis: with N pods and
no Redis, a client has up to N times its limit.
"""

from __future__ import annotations

import hashlib
import ipaddress
from http import HTTPStatus
from time import monotonic, time
from typing import TYPE_CHECKING

import structlog
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.storage import storage_from_string

from service.problems import problem_response

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.storage import Storage
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.settings import Settings

log = structlog.stdlib.get_logger(__name__)
_EXEMPT = ("/health", "/metrics")
# Time for which counts stay in the process after the shared storage failed.
_REST_SECONDS = 10.0


class RateLimitMiddleware:
    """Middleware that answers 429 to a client or user with too many requests."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._limits = {
            "client": parse(settings.rate_limit_client),
            "user": parse(settings.rate_limit_user),
        }
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _shared(settings.rate_limit_storage)
        self._rests_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request."""
        if scope["type"] != "http" or scope["path"].startswith(_EXEMPT):
            await self.app(scope, receive, send)
            return
        policy, allowed, left, reset = await self._count(_identities(scope))
        item = self._limits[policy]
        headers = {
            "RateLimit-Policy": f'"{policy}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{policy}";r={left};t={reset}',
        }
        if not allowed:
            headers["Retry-After"] = str(reset)
            response = problem_response(
                HTTPStatus.TOO_MANY_REQUESTS,
                kind="rate-limited",
                title="Too many requests",
                detail=f"The limit of this {policy} is {item}. Try again in {reset} s.",
                headers=headers,
            )
            await response(scope, receive, send)
            return
        encoded = [(k.lower().encode(), v.encode()) for k, v in headers.items()]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *encoded]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    async def _count(self, identities: dict[str, str]) -> tuple[str, bool, int, int]:
        """Count against each limit; return the one with the fewest requests left."""
        closest: tuple[str, bool, int, int] | None = None
        for policy, identity in identities.items():
            found = (policy, *await self._hit(self._limits[policy], policy, identity))
            if closest is None or (found[1], found[2]) < (closest[1], closest[2]):
                closest = found
            if not found[1]:
                break
        if closest is None:
            raise AssertionError  # There is always a client.
        return closest

    async def _hit(self, item: RateLimitItem, policy: str, identity: str) -> tuple[bool, int, int]:
        limiter = self._local
        if self._shared is not None and monotonic() >= self._rests_until:
            limiter = self._shared
        try:
            return await _ask(limiter, item, policy, identity)
        except Exception as error:
            if limiter is self._local:
                raise
            # A limit that can't be counted must not take the service down with it.
            log.warning("rate_limit.storage_failed", error=type(error).__name__)
            self._rests_until = monotonic() + _REST_SECONDS
            return await _ask(self._local, item, policy, identity)


async def _ask(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, policy: str, identity: str
) -> tuple[bool, int, int]:
    allowed = await limiter.hit(item, policy, identity)
    stats = await limiter.get_window_stats(item, policy, identity)
    return allowed, stats.remaining, max(1, round(stats.reset_time - time()))


def _shared(location: str) -> SlidingWindowCounterRateLimiter | None:
    if location == "memory://":
        return None
    storage: Storage = storage_from_string(f"async+{location}", implementation="redispy")  # type: ignore[assignment]
    return SlidingWindowCounterRateLimiter(storage)


def _identities(scope: Scope) -> dict[str, str]:
    client = scope.get("client")
    identities = {"client": _network(client[0]) if client else "unknown"}
    for name, value in scope["headers"]:
        if name == b"authorization":
            # Hashed: the storage must not hold credentials.
            identities["user"] = hashlib.sha256(value).hexdigest()
    return identities


def _network(address: str) -> str:
    """Return the network of one subscriber: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    except ValueError:
        return address
