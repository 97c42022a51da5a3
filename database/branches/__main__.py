"""``python -m database.branches``: the controller that hands out databases, in a cluster."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator

import httpx2
import structlog
from lightkube import ApiError, Client
from lightkube.config.kubeconfig import KubeConfig

from database.branches.cluster import KubernetesCluster
from database.branches.controller import Controller
from database.branches.health import Health
from database.branches.settings import ControllerSettings
from service.settings import ConfigurationError, load

_LOG = structlog.get_logger()
# When something waits for something else, or the API server could not be asked.
_SOON_SECONDS = 1.0


def run(controller: Controller, health: Health, wake: Wake, resync_seconds: float) -> None:
    """Pass after pass, until told to stop: at each change, and now and then without one."""
    while not wake.stopping.is_set():
        health.beat()
        try:
            waiting = controller.reconcile().waiting
        except (ApiError, httpx2.HTTPError) as error:
            _LOG.warning("the cluster does not answer", error=str(error))
            waiting = True
        else:
            health.ready.set()
        wake.wait(_SOON_SECONDS if waiting else resync_seconds)


class Wake:
    """What ends the wait between two passes.

    Attributes:
        stopping: Set when the process is to end.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._changed = threading.Event()

    def wait(self, seconds: float) -> None:
        """Return when something changed, or after this time."""
        self._changed.wait(seconds)
        self._changed.clear()

    def stop(self, *_: object) -> None:
        """End after the pass that is under way."""
        self.stopping.set()
        self._changed.set()

    def follow(self, watch: Callable[[], Iterator[None]], name: str) -> None:
        """Wake up at whatever ``watch`` yields, from a thread of its own."""

        def follow() -> None:
            while not self.stopping.is_set():
                try:
                    for _ in watch():
                        self._changed.set()
                except (ApiError, httpx2.HTTPError) as error:
                    _LOG.warning("watch ended", watch=name, error=str(error))
                    self.stopping.wait(_SOON_SECONDS)

        threading.Thread(target=follow, name=name, daemon=True).start()


def main() -> int:
    """Run the controller.

    Returns:
        Exit code: 0 when it was told to stop, 2 for a wrong environment.
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
        sys.stderr.write(f"{error}\n")
        return 2
    client = Client(config=KubeConfig.from_service_account(), field_manager="database-branches")
    cluster = KubernetesCluster(client, settings.namespace)
    wake, health = Wake(), Health()
    signal.signal(signal.SIGTERM, wake.stop)
    signal.signal(signal.SIGINT, wake.stop)
    health.serve(settings.host, settings.port)
    wake.follow(cluster.changes, "claims")
    wake.follow(cluster.publications, "servers")
    controller = Controller(cluster, settings.limits, settings.pool)
    run(controller, health, wake, settings.resync_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
