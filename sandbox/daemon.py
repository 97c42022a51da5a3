"""The sandbox's daemon: ``python -m sandbox.daemon``, started by ``sandbox up``."""

from __future__ import annotations

import os

from sandbox.assembly import parts
from sandbox.processes import ProcessIdentity
from sandbox.settings import Settings
from sandbox.supervisor import Supervisor, only_one


def main() -> None:
    """Hold the lock, say who holds it, and keep the parts running until told to stop."""
    settings = Settings()
    with only_one(settings):
        ProcessIdentity.of(os.getpid()).write(settings.home / "run" / "supervisor.json")
        Supervisor(parts(settings), settings).run()


if __name__ == "__main__":
    main()
