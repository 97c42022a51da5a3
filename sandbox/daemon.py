"""The sandbox's daemon: ``python -m sandbox.daemon``, started by ``sandbox up``."""

from __future__ import annotations

import os

from sandbox.aws import parts as aws
from sandbox.cluster import parts as cluster
from sandbox.node import parts as node
from sandbox.part import Part
from sandbox.processes import ProcessIdentity
from sandbox.providers import parts as providers
from sandbox.settings import Settings
from sandbox.supervisor import Supervisor, only_one


def parts(settings: Settings) -> tuple[Part, ...]:
    """Return all parts; the supervisor orders them by what they come after."""
    return tuple(part for room in (cluster, aws, node, providers) for part in room.parts(settings))


def main() -> None:
    """Hold the lock, say who holds it, and keep the parts running until told to stop."""
    settings = Settings()
    with only_one(settings):
        ProcessIdentity.of(os.getpid()).write(settings.home / "run" / "supervisor.json")
        Supervisor(parts(settings), settings).run()


if __name__ == "__main__":
    main()
