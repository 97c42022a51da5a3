"""A control plane of the tests' own, under the real supervisor.

Run as a program, this module is that supervisor's process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import httpx
import psutil

from sandbox.cluster.health import tls_context
from sandbox.cluster.layout import Identity, Layout
from sandbox.cluster.processes import processes
from sandbox.settings import Settings
from sandbox.supervisor import ProcessState, Supervisor, read_status
from tests.addresses import free_subnet
from tests.waiting import eventually


class Cluster:
    """Starts, kills and starts again what it is given the settings of."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = Layout(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        (self.settings.home / "run" / "status.json").unlink(missing_ok=True)
        variables = {
            f"SANDBOX_{name.upper()}": str(getattr(self.settings, name))
            for name in Settings.model_fields
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.cluster.running"],
            env={**os.environ, **variables},
        )
        eventually(self._is_ready, "the control plane to be ready")
        return self

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the supervisor ended"
        rows = read_status(self.settings)
        return bool(rows) and all(row.state is ProcessState.READY for row in rows)

    def processes(self) -> dict[str, psutil.Process]:
        """The processes that run, by name."""
        rows = read_status(self.settings)
        return {row.name: psutil.Process(row.pid) for row in rows if row.pid is not None}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def client(self, identity: Identity = Identity.ADMIN) -> httpx.Client:
        """A client of the API server as ``identity``."""
        tls = tls_context(self.layout.authority, self.layout.pair(identity.file_name))
        return httpx.Client(base_url=self.layout.server, verify=tls, timeout=10)


def make(folder: Path) -> Cluster:
    """A cluster with its home in ``folder``; the tools come from the shared cache."""
    return Cluster(Settings(home=folder, subnet=free_subnet()))


if __name__ == "__main__":
    _settings = Settings()
    Supervisor(processes(_settings), _settings).run()
