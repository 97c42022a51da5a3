"""The stand-ins as a part of the sandbox: one process for all of them."""

from __future__ import annotations

import socket
import sys

from sandbox.part import Part
from sandbox.providers.attachments import NAMES, read_ports
from sandbox.settings import Settings

_CONNECT_SECONDS = 0.2


def parts(settings: Settings) -> tuple[Part, ...]:
    """One process; the engine only dials 127.0.0.1, so its ports are whichever are free."""

    def ready() -> str | None:
        ports = read_ports(settings)
        for name in NAMES:
            if not _answers(ports.get(name)):
                return f"the {name} stand-in to listen"
        return None

    return (
        Part(
            name="providers",
            argv=(sys.executable, "-m", "sandbox.providers.server"),
            ready=ready,
            env={
                "AWS_ENDPOINT_URL": settings.aws_endpoint,
                "KUBECONFIG": str(settings.kubeconfig),
                "SANDBOX_HOME": str(settings.home),
                "SANDBOX_CACHE": str(settings.cache),
                "SANDBOX_SUBNET": settings.subnet,
            },
        ),
    )


def _answers(port: int | None) -> bool:
    if port is None:
        return False
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
