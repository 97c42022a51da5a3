"""The sandbox's daemon: ``python -m sandbox.daemon``, started by ``sandbox up``."""

from __future__ import annotations

import os

from sandbox.aws import processes as aws
from sandbox.cluster import processes as cluster
from sandbox.node import processes as node
from sandbox.process import Process
from sandbox.providers import processes as providers
from sandbox.settings import Settings
from sandbox.supervisor import Supervisor, only_one
from sandbox.system import ProcessIdentity


def processes(settings: Settings) -> tuple[Process, ...]:
    """Return all processes of the sandbox; the supervisor orders them by ``depends_on``."""
    return tuple(
        process for room in (cluster, aws, node, providers) for process in room.processes(settings)
    )


def main() -> None:
    """Take the lock, record its owner, and keep the processes running until SIGTERM or SIGINT."""
    settings = Settings()
    with only_one(settings):
        ProcessIdentity.of(os.getpid()).write(settings.home / "run" / "supervisor.json")
        Supervisor(processes(settings), settings).run()


if __name__ == "__main__":
    main()
