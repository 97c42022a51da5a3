"""``python -m database.branches``: the controller that provisions databases, in a cluster."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import structlog
from lightkube import ApiError, Client
from lightkube.config.kubeconfig import KubeConfig
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from database.branches.clones import SparePool
from database.branches.cluster import KubernetesCluster
from database.branches.controller import Controller
from database.branches.provisioning import ConnectionLimits
from database.output import report_environment
from database.settings import ConfigurationError, NameList, Settings, load

_LOG = structlog.get_logger()
# Before a pass that waits for something, or after the API server did not answer.
_RETRY_SECONDS = 1.0
# Longer than copying any database takes that is still worth copying.
_STUCK_SECONDS = 1800.0


class ControllerSettings(Settings):
    """Settings of the controller: ``BRANCHES_*``.

    Attributes:
        namespace: The namespace in which servers are published, with their master users' Secrets.
        app_connections: Connections of one preview's service.
        migrator_connections: Connections of one preview's migrations.
        spares: Clones of a large template that are made in advance.
        spares_above_mib: The size from which a template is large.
        extensions: Extensions of PostgreSQL that the app needs; each clone gets them.
        resync_seconds: Time between two passes when nothing changes.
        host: Address on which health checks are answered.
        port: Their port.
    """

    model_config = SettingsConfigDict(env_prefix="BRANCHES_")

    namespace: str = Field(min_length=1)
    app_connections: int = Field(default=12, ge=1)
    migrator_connections: int = Field(default=3, ge=1)
    spares: int = Field(default=2, ge=0, le=10)
    spares_above_mib: int = Field(default=2048, ge=0)
    extensions: NameList = ()
    resync_seconds: float = Field(default=30, gt=0)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)

    @property
    def limits(self) -> ConnectionLimits:
        """Connections of each preview."""
        return ConnectionLimits(app=self.app_connections, migrator=self.migrator_connections)

    @property
    def pool(self) -> SparePool:
        """Clones made in advance."""
        return SparePool(self.spares, self.spares_above_mib << 20)


class Health:
    """Liveness and readiness of the loop, for the kubelet.

    Attributes:
        ready: Set once a pass has succeeded.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self._last = time.monotonic()

    def beat(self) -> None:
        """Record that a pass begins."""
        self._last = time.monotonic()

    def is_alive(self) -> bool:
        """Return whether a pass began recently."""
        return time.monotonic() - self._last < _STUCK_SECONDS

    def serve(self, host: str, port: int) -> ThreadingHTTPServer:
        """Answer ``/health/live`` and ``/health/ready`` in a thread."""
        health = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                checks = {"/health/live": health.is_alive, "/health/ready": health.ready.is_set}
                check = checks.get(self.path)
                if check is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                status = HTTPStatus.OK if check() else HTTPStatus.SERVICE_UNAVAILABLE
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Log nothing: probes are not worth a line each."""

        server = ThreadingHTTPServer((host, port), Handler)
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        return server


class Wake:
    """The events that end the wait between two passes.

    Attributes:
        stopping: Set once the process is to exit.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._changed = threading.Event()

    def wait(self, seconds: float) -> None:
        """Return when something changed, at the latest after this time."""
        self._changed.wait(seconds)
        self._changed.clear()

    def stop(self, *_: object) -> None:
        """Exit after the current pass."""
        self.stopping.set()
        self._changed.set()

    def follow(self, watch: Callable[[], Iterator[None]], name: str) -> None:
        """Wake up at each item that ``watch`` yields, in a thread."""

        def follow() -> None:
            while not self.stopping.is_set():
                try:
                    for _ in watch():
                        self._changed.set()
                except (ApiError, httpx2.HTTPError) as error:
                    _LOG.warning("watch ended", watch=name, error=str(error))
                    self.stopping.wait(_RETRY_SECONDS)

        threading.Thread(target=follow, name=name, daemon=True).start()


def run(controller: Controller, health: Health, wake: Wake, resync_seconds: float) -> None:
    """Run passes until stopped: at each change, and every ``resync_seconds`` without one."""
    while not wake.stopping.is_set():
        health.beat()
        try:
            waiting = controller.reconcile().waiting
        except (ApiError, httpx2.HTTPError) as error:
            _LOG.warning("the cluster does not answer", error=str(error))
            waiting = True
        else:
            health.ready.set()
        wake.wait(_RETRY_SECONDS if waiting else resync_seconds)


def main() -> int:
    """Run the controller.

    Returns:
        Exit code: 0 after a requested stop, 2 for an invalid environment.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        settings = load(ControllerSettings)
    except ConfigurationError as error:
        report_environment(error)
        return 2
    client = Client(config=KubeConfig.from_service_account(), field_manager="database-branches")
    cluster = KubernetesCluster(client, settings.namespace)
    wake, health = Wake(), Health()
    signal.signal(signal.SIGTERM, wake.stop)
    signal.signal(signal.SIGINT, wake.stop)
    health.serve(settings.host, settings.port)
    wake.follow(cluster.watch_branches, "branches")
    wake.follow(cluster.watch_generations, "generations")
    controller = Controller(cluster, settings.limits, settings.pool, settings.extensions)
    run(controller, health, wake, settings.resync_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
