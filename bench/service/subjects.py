"""The three measured programs, each a single process, on the same database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from service.database.migration import migration_engine
from service.migrate import migrate
from service.settings import MigrationSettings
from tests.service.postgres import Server
from tests.service.process import free_port

ROOT = Path(__file__).resolve().parents[2]
UVICORN = ("--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools")
SUBJECTS = {
    "service": ("service",),
    "bare": ("uvicorn", "bench.service.bare:app", *UVICORN),
    "tutorial": ("uvicorn", "bench.service.tutorial:app", *UVICORN),
}


@dataclass(frozen=True)
class Subject:
    """A measured program.

    Attributes:
        name: Key in ``SUBJECTS``.
        address: Address of its listener.
        process: Its process.
    """

    name: str
    address: tuple[str, int]
    process: psutil.Process

    def settle(self) -> None:
        """Wait until it responds: a program that exhausted its pool needs some time."""
        _wait("http://{}:{}/customers?limit=1".format(*self.address))

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def database(rows: int) -> Iterator[tuple[Server, dict[str, str]]]:
    """Yield a server with ``rows`` customers, and the environment with its address."""
    server = Server.create()
    try:
        environment = {
            "DATABASE_HOST": server.address,
            "DATABASE_NAME": "postgres",
            "DATABASE_SSLMODE": "disable",
            "DATABASE_USER": "master",
            "DATABASE_PASSWORD": server.password,
        }
        settings = MigrationSettings(
            host=server.address,
            name="postgres",
            sslmode="disable",
            user="master",
            password=server.password,
        )
        with migration_engine(settings).connect() as connection:
            migrate(connection)
        if rows:
            fill(environment, rows)
        yield server, environment
    finally:
        server.remove()


def fill(environment: dict[str, str], rows: int) -> str:
    """Seed the database, and return the seed's output."""
    return subprocess.run(
        [sys.executable, "-m", "service.seed", "--rows", str(rows)],
        env=_variables() | environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def ids(server: Server, number: int) -> list[str]:
    """Return ids of customers, spread over the table."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id::text FROM customers ORDER BY id LIMIT %s", (number,))
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def running(name: str, environment: dict[str, str]) -> Iterator[Subject]:
    """Run one of ``SUBJECTS`` while the context is open."""
    port = free_port()
    arguments = SUBJECTS[name]
    place = ("--port", str(port)) if arguments[0] == "uvicorn" else ()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, *place],
        env=_variables()
        | environment
        | {"HOST": "127.0.0.1", "PORT": str(port), "RATE_LIMIT_CLIENT": "100000000/minute"},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/customers?limit=1")
        yield Subject(name, ("127.0.0.1", port), psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            # A program that exhausted its pool does not drain either.
            process.kill()
            process.wait(10)


def _variables() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_", "APP_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(120),
    wait=wait_fixed(0.05),
    reraise=True,
)
def _wait(url: str) -> None:
    httpx.get(url, timeout=2).raise_for_status()
