"""The service as a process: how it stops, and what it does when PostgreSQL goes away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from uvicorn.main import STARTUP_FAILURE

from tests.service.postgres import Server
from tests.service.process import PROJECT, ServiceProcess
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.conftest import PreparedDatabase

# More than any limit of the settings below: a request that takes longer hangs.
HANGS = 20.0
LIMITS = {
    "DATABASE_CONNECT_TIMEOUT_SECONDS": "1",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS": "2",
    "DATABASE_DEADLINE_SECONDS": "2",
    "DATABASE_POOL_SIZE": "4",
    "RATE_LIMIT_CLIENT": "1000000/minute",
}


@pytest.fixture
def service(migrated: PreparedDatabase) -> Iterator[ServiceProcess]:
    with ServiceProcess.start(migrated.environment(), **LIMITS) as service:
        yield service


def ready(service: ServiceProcess) -> dict[str, object]:
    response = httpx.get(f"{service.url}/health/ready", timeout=HANGS)
    return {"status_code": response.status_code} | response.json()


def live(service: ServiceProcess) -> bool:
    return httpx.get(f"{service.url}/health/live", timeout=HANGS).status_code == 200


def test_a_stop_fails_readiness_first_and_ends_with_zero(migrated: PreparedDatabase) -> None:
    with ServiceProcess.start(migrated.environment(), DRAIN_SECONDS="5") as service:
        assert ready(service)["status_code"] == 200
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: ready(service)["status_code"] == 503)
        assert ready(service)["api"] == "draining"
        # Still served: a load balancer has yet to notice.
        assert httpx.get(f"{service.url}/customers").status_code == 200
        assert service.process.wait(HANGS) == 0
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        assert "server.draining" in [line["event"] for line in lines]
        assert {line["level"] for line in lines} == {"info"}


def test_a_running_request_ends_before_the_process_does(migrated: PreparedDatabase) -> None:
    other = migrated.server.connect(migrated.name)
    with (
        closing(other),
        other.cursor() as cursor,
        ServiceProcess.start(migrated.environment(), DRAIN_SECONDS="0") as service,
    ):
        cursor.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        answers: list[int] = []
        request = threading.Thread(
            target=lambda: answers.append(
                httpx.get(f"{service.url}/customers", timeout=HANGS).status_code
            )
        )
        request.start()
        eventually(lambda: waits_for_lock(migrated))
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(service))
        other.rollback()
        request.join(HANGS)
        assert answers == [200]
        assert service.process.wait(HANGS) == 0


def waits_for_lock(database: PreparedDatabase) -> bool:
    with closing(database.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND application_name = 'service'"
        )
        return cursor.fetchone() == (1,)


def refuses(service: ServiceProcess) -> bool:
    try:
        httpx.get(f"{service.url}/health/live", timeout=HANGS)
    except httpx.ConnectError:
        return True
    return False


def test_two_signals_stop_at_once(migrated: PreparedDatabase) -> None:
    with ServiceProcess.start(migrated.environment(), DRAIN_SECONDS="60") as service:
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: "server.draining" in service.log.read_text())
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(HANGS) == 0


def test_a_wrong_environment_is_told_and_ends_with_two() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABASE_")}
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        env=environment, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "DATABASE_HOST: Field required" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_ends_with_one(service: ServiceProcess, migrated: PreparedDatabase) -> None:
    port = service.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        env=os.environ | migrated.environment() | {"PORT": port, "HOST": "127.0.0.1"},
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == STARTUP_FAILURE
    assert "address already in use" in done.stdout


async def load(
    service: ServiceProcess,
    clients: int,
    *,
    paths: tuple[str, ...] = ("/customers",),
    rounds: int = 1,
    until: asyncio.Event | None = None,
) -> Counter[int]:
    """Ask from ``clients`` at once, so many rounds each, and on until an event if one is given.

    Returns:
        How often each status came; an answer that takes longer than `HANGS` is an error.
    """
    answers: Counter[int] = Counter()

    async def ask(client: httpx.AsyncClient) -> None:
        done = 0
        while done < rounds or (until is not None and not until.is_set()):
            for path in paths:
                answers[(await client.get(path)).status_code] += 1
            done += 1

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=service.url, timeout=HANGS, limits=limits) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return answers


async def test_it_holds_many_clients_without_an_error(service: ServiceProcess) -> None:
    paths = ("/customers", "/health", "/version")
    assert await load(service, 32, paths=paths, rounds=10) == {200: 32 * 3 * 10}


@pytest.fixture
def own_server(server: Server, migrated: PreparedDatabase) -> Iterator[Server]:
    """The worker's server, to be stopped and started: it is back up afterwards."""
    del migrated
    try:
        yield server
    finally:
        if server.process is None:
            server.start()


async def test_a_database_that_is_restarted_under_load_is_used_again(
    service: ServiceProcess, own_server: Server
) -> None:
    enough = asyncio.Event()
    under_load = asyncio.create_task(load(service, 8, until=enough))
    await asyncio.to_thread(eventually, lambda: ready(service)["status_code"] == 200)
    await asyncio.to_thread(own_server.stop)
    await asyncio.to_thread(eventually, lambda: ready(service)["status_code"] == 503)
    assert ready(service)["database"] in {"connection_refused", "connection_lost", "shutting_down"}
    assert live(service)
    await asyncio.to_thread(own_server.start)
    await asyncio.to_thread(eventually, lambda: ready(service)["status_code"] == 200)
    enough.set()
    assert set(await under_load) == {200, 503}
    assert set(await load(service, 8, rounds=10)) == {200}


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Stop every process of the server: what is sent to it stays in the kernel."""
    assert server.process is not None
    postmaster = psutil.Process(server.process.pid)
    # Each backend is a session of its own, so a signal to the group reaches none.
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                process.resume()


async def test_a_frozen_database_makes_nothing_hang(
    service: ServiceProcess, own_server: Server
) -> None:
    """Connections are accepted by the kernel and never answered."""
    await load(service, 4, rounds=5)
    with frozen(own_server):
        assert ready(service)["database"] == "timeout"
        assert await load(service, 8, rounds=2) == {503: 16}
        assert live(service)
    await asyncio.to_thread(eventually, lambda: ready(service)["status_code"] == 200)
    assert set(await load(service, 4, rounds=5)) == {200}


@pytest.mark.parametrize(
    ("case", "reasons"),
    [("refused", {"connection_refused"}), ("black hole", {"timeout"})],
)
async def test_a_database_that_can_not_be_reached_makes_nothing_hang(
    migrated: PreparedDatabase, case: str, reasons: set[str]
) -> None:
    with closing(socket.socket()) as listener, closing(socket.socket()) as filler:
        listener.bind(("127.0.0.1", 0))
        if case == "black hole":
            # A full backlog: the kernel drops every further SYN, as a firewall would.
            listener.listen(0)
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        environment = migrated.environment() | {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(listener.getsockname()[1]),
        }
        with ServiceProcess.start(environment, **LIMITS) as service:
            found = ready(service)
            assert (found["status_code"], found["database"] in reasons) == (503, True), found
            assert await load(service, 6, rounds=2) == {503: 12}
            assert live(service)
