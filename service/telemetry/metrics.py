"""Metrics for Prometheus: rate, errors and duration by route, and use of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from service.problems import problem_response

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.database import Database

# Around what a request takes: most within 10 ms, the limit of a statement is 5 s.
_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one application.

    Attributes:
        registry: Their registry; one per application, so that tests don't share it.
        in_progress: Requests being answered.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests being answered.", registry=self.registry
        )
        self._pool = Gauge(
            "database_pool_connections",
            "Connections that requests hold, and the most they may.",
            ("state",),
            registry=self.registry,
        )
        self._waiting = Gauge(
            "database_pool_waiting", "Requests waiting for a connection.", registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            method: HTTP method, one of the known ones.
            route: The route's template, so that their number stays bounded.
            status: HTTP status.
            seconds: Duration.
        """
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(method, route).observe(seconds)

    def watch(self, database: Database) -> None:
        """Read the use of the pool of ``database`` at each scrape."""
        self._pool.labels("in_use").set_function(lambda: database.in_use)
        self._pool.labels("limit").set(database.settings.pool_size)
        self._waiting.set_function(lambda: database.waiting)

    async def endpoint(self, request: Request) -> Response:
        """Answer ``GET /metrics``, for a scraper in the cluster, not through a load balancer."""
        if "x-forwarded-for" in request.headers:
            return problem_response(404)
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
