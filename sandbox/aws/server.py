"""Server of the emulated AWS account: ``python -m sandbox.aws.server``."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.aws.catalogue import without_instance_types
from sandbox.aws.identity import PORT
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.system import require_free


def _listen(settings: Settings) -> socket.socket:
    """Bind the address first, so that two servers never share a state."""
    require_free(
        settings.aws_address,
        PORT,
        remedy="stop that process, or give the sandbox other addresses with"
        " SANDBOX_SUBNET=127.<2-254>.0.0/16.",
    )
    return socket.create_server((settings.aws_address, PORT), backlog=128)


def main() -> None:
    """Serve until SIGTERM or SIGINT, then shut the database servers down."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    settings = Settings()
    try:
        listener = _listen(settings)
        with without_instance_types():
            from sandbox.aws.account import Account  # noqa: PLC0415 - it imports moto's EC2
        account = Account(settings)
    except SandboxError as error:
        sys.exit(str(error))
    server = make_server(
        settings.aws_address,
        PORT,
        account.application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listener.fileno(),
    )
    _stop_on_signals(server)
    threading.Thread(target=account.resume, name="resume", daemon=True).start()
    server.serve_forever()
    account.shut_down()


def _stop_on_signals(server: BaseWSGIServer) -> None:
    def stop(*_: object) -> None:
        # From another thread: shutdown waits for this one, which serves.
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


if __name__ == "__main__":
    main()
