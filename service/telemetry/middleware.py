"""The outermost middleware: identifiers, one log line, metrics, headers, errors as problems."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from service.problems import problem_response
from service.telemetry.correlation import correlate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.telemetry.correlation import Correlation
    from service.telemetry.metrics import Metrics

log = structlog.stdlib.get_logger("service.request")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNMATCHED = "unmatched"
_ERROR = 500
# Asked every few seconds by machines: their lines would bury the others.
_QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})


class TelemetryMiddleware:
    """Middleware that sets a request's identifiers, and records its answer.

    It also converts plain-text errors of other middleware into problem details, and uncaught
    exceptions into a problem with status 500.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, headers: Mapping[str, str]) -> None:
        self.app = app
        self._metrics = metrics
        self._headers = tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in headers.items()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        correlation = correlate(scope["headers"])
        answer = _Answer(send, correlation, self._headers, secure=scope["scheme"] == "https")
        with (
            structlog.contextvars.bound_contextvars(
                request_id=correlation.request_id, trace_id=correlation.trace_id
            ),
            self._metrics.in_progress.track_inprogress(),
        ):
            try:
                await self.app(scope, receive, answer)
            except Exception:
                log.exception("request.failed")
                if answer.status is not None:
                    raise
                response = problem_response(
                    _ERROR, detail="It was logged under the X-Request-ID of this answer."
                )
                await response(scope, receive, answer)
            finally:
                self._tell(scope, answer.status, perf_counter() - started)

    def _tell(self, scope: Scope, status: int | None, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", _UNMATCHED)
        # Without a status the client went away before there was an answer (nginx' 499).
        status = status or 499
        self._metrics.answered(method, route, status, seconds)
        if route in _QUIET and status < _ERROR:
            return
        client = scope.get("client")
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            client=client[0] if client else None,
        )


class _Answer:
    """Sending of an answer, with the headers that every answer has."""

    def __init__(
        self,
        send: Send,
        correlation: Correlation,
        headers: tuple[tuple[bytes, bytes], ...],
        *,
        secure: bool,
    ) -> None:
        self.status: int | None = None
        self._send = send
        self._correlation = correlation
        self._headers = headers
        self._secure = secure
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._is_plain_error(message):
                self._replaced = True
                await self._send_problem(message)
                return
            self._complete(message)
        elif self._replaced:
            return
        await self._send(message)

    def _is_plain_error(self, message: Message) -> bool:
        if message["status"] < 400:  # noqa: PLR2004  (RFC 9110, section 15.5)
            return False
        return any(
            name == b"content-type" and value.startswith(b"text/plain")
            for name, value in message["headers"]
        )

    async def _send_problem(self, message: Message) -> None:
        kept = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in message["headers"]
            if name not in {b"content-type", b"content-length"}
        }
        response = problem_response(message["status"], headers=kept)
        start = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        self._complete(start)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": response.body})

    def _complete(self, message: Message) -> None:
        headers: list[tuple[bytes, bytes]] = list(message["headers"])
        present = {name for name, _ in headers}
        headers += (pair for pair in self._headers if pair[0] not in present)
        headers.append((b"x-request-id", self._correlation.request_id.encode("ascii")))
        if self._secure:
            headers.append((b"strict-transport-security", b"max-age=31536000"))
        message["headers"] = headers
