"""Whether the controller is alive and at work, for the kubelet."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Longer than copying any database takes that is still worth copying.
_STUCK_SECONDS = 1800.0


class Health:
    """Signs of life of the loop.

    Attributes:
        ready: Set once a pass has gone well.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self._last = time.monotonic()

    def beat(self) -> None:
        """A pass begins."""
        self._last = time.monotonic()

    def is_alive(self) -> bool:
        """Whether a pass began lately."""
        return time.monotonic() - self._last < _STUCK_SECONDS

    def serve(self, host: str, port: int) -> ThreadingHTTPServer:
        """Answer ``/health/live`` and ``/health/ready`` from a thread of its own."""
        health = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                good = {"/health/live": health.is_alive, "/health/ready": health.ready.is_set}
                check = good.get(self.path)
                if check is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                status = HTTPStatus.OK if check() else HTTPStatus.SERVICE_UNAVAILABLE
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Probes are not worth a line each."""

        server = ThreadingHTTPServer((host, port), Handler)
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        return server
