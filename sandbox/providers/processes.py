"""Process of the emulated plugins."""

from __future__ import annotations

import sys

from sandbox.process import Process
from sandbox.providers.attachments import NAMES, read_ports
from sandbox.settings import Settings
from sandbox.system import is_listening


def processes(settings: Settings) -> tuple[Process, ...]:
    """Return one process for all plugins; its ports on 127.0.0.1 are any free ones."""

    def ready() -> str | None:
        ports = read_ports(settings)
        for name in NAMES:
            if name not in ports or not is_listening("127.0.0.1", ports[name]):
                return f"the {name} emulator to listen"
        return None

    return (
        Process(
            name="providers",
            argv=(sys.executable, "-m", "sandbox.providers.server"),
            ready=ready,
            env={
                "SANDBOX_HOME": str(settings.home),
                "SANDBOX_CACHE": str(settings.cache),
                "SANDBOX_SUBNET": settings.subnet,
                "SANDBOX_BUILDER": settings.builder,
                # Most of its threads wait, and need no arena of memory each.
                "MALLOC_ARENA_MAX": "2",
            },
        ),
    )
