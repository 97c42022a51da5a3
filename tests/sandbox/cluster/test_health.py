"""A health check says what it waits for, and never raises."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.cluster.certificates import Authority, Subject
from sandbox.cluster.health import serving


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code, body = {
            "/ok": (200, "ok"),
            "/waiting": (500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz failed"),
        }.get(self.path, (403, "forbidden"))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def _server(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_healthy_part_is_waited_for_no_longer() -> None:
    with _server() as port:
        assert serving("127.0.0.1", port, "/ok")() is None


def test_the_checks_that_fail_are_named() -> None:
    with _server() as port:
        output = serving("127.0.0.1", port, "/waiting")()
        assert output == "/waiting returns 500: [-]etcd failed: reason withheld"
        assert serving("127.0.0.1", port, "/other")() == "/other returns 403: forbidden"


def test_nobody_listening_is_an_answer_too() -> None:
    with _server() as port:
        pass
    output = serving("127.0.0.1", port, "/ok")()
    assert output is not None
    assert output.startswith(f"no answer on 127.0.0.1:{port}")


def test_certificates_that_are_not_there_yet_are_an_answer_too(tmp_path: Path) -> None:
    output = serving("127.0.0.1", 1, "/ok", authority=tmp_path / "ca.crt")()
    assert output is not None


def test_both_sides_show_a_certificate(tmp_path: Path) -> None:
    authority = Authority.ensure("test", tmp_path / "ca.pem", tmp_path / "ca.crt")
    pair = tmp_path / "etcd.pem"
    authority.ensure_pair(pair, Subject("etcd", addresses=("127.0.0.1",)))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.crt")
    tls.load_cert_chain(pair)
    tls.verify_mode = ssl.CERT_REQUIRED
    with _server(tls) as port:
        trusted = tmp_path / "ca.crt"
        assert serving("127.0.0.1", port, "/ok", authority=trusted, pair=pair)() is None
        assert serving("127.0.0.1", port, "/ok", authority=trusted)() is not None
