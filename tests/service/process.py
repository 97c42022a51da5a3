"""The service as a process of its own, as it runs in the image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.addresses import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = Path(__file__).parents[2]
BYTECODE = Path(tempfile.gettempdir()) / f"service-tests-bytecode-{os.getuid()}"


@dataclass(frozen=True)
class ServiceProcess:
    """``python -m service``, answering.

    Attributes:
        process: The process.
        url: Where it listens.
        log: What it wrote.
    """

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @classmethod
    @contextmanager
    def start(
        cls, environment: Mapping[str, str], *, code: Path = PROJECT, **settings: str
    ) -> Iterator[ServiceProcess]:
        """Run until the end of the block; by then it may have ended by itself.

        Args:
            environment: Where the database is.
            code: Folder that holds ``service``.
            settings: Further variables.
        """
        port = free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DATABASE_")}
        # Compiling all imports anew would be most of what a start takes.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        inherited["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
        variables = inherited | dict(environment) | settings | {"PORT": str(port)}
        with tempfile.NamedTemporaryFile(prefix="service-log-", dir="/tmp") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service"],
                env=variables | {"HOST": "127.0.0.1", "PYTHONPATH": str(code)},
                cwd=code,
                stdout=log,
                stderr=log,
            )
            service = cls(process, f"http://127.0.0.1:{port}", Path(log.name))
            try:
                service.wait_until_live()
                yield service
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                process.wait(10)

    @retry(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_delay(120),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    def wait_until_live(self) -> None:
        """Return when it answers."""
        if self.process.poll() is not None:
            raise RuntimeError(self.log.read_text())
        httpx.get(f"{self.url}/health/live", timeout=2).raise_for_status()
