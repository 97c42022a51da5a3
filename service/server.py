"""uvicorn, with a graceful stop that load balancers notice before requests are refused."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from service.app import create_app
from service.settings import Settings, load
from service.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

log = structlog.stdlib.get_logger(__name__)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Longer than the 60 s after which an ALB drops an idle connection, so that it is never this
# side that closes one on which a request is under way (ALB guide, "Connection idle timeout").
KEEP_ALIVE_SECONDS = 75
# Reference counts free what a request makes; looking for cycles as often as by default
# (700, 10, 10) costs a request 5 to 14 % more (measured: bench/service/notes.md).
GARBAGE_THRESHOLDS = (20_000, 20, 50)


class DrainingServer(uvicorn.Server):
    """A server that fails readiness first, and stops ``drain_seconds`` later.

    uvicorn raises the signal again after it has stopped, so its exit code would be the
    signal's; here a requested stop exits with 0.
    """

    def __init__(
        self, config: uvicorn.Config, *, draining: threading.Event, drain_seconds: float
    ) -> None:
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT while the server runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; a second signal, or no time to drain, stops at once."""
        del frame
        if self._draining.is_set() or self._drain_seconds == 0 or not self.started:
            self._draining.set()
            self.should_exit = True
            return
        self._draining.set()
        log.info("server.draining", signal=signal.Signals(sig).name, seconds=self._drain_seconds)
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def serve() -> int:
    """Run the server until a signal stops it.

    Returns:
        Exit code: 0 after a requested stop. uvicorn itself exits with 3 when it can't listen.
    """
    settings = load(Settings)
    logs.configure(level=settings.log_level, style=settings.log_format)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )
    server = DrainingServer(
        config, draining=app.state.draining, drain_seconds=settings.drain_seconds
    )
    # Objects of the start-up live as long as the process: exclude them from collections.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.enable()
    server.run()
    return 0
