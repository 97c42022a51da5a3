from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest

from sandbox.errors import SandboxError
from sandbox.postgres.binaries import installation
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.server import Server, end_leftovers, processes_of

pytestmark = pytest.mark.sandbox


def committed(server: Server) -> int:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kept")
        [(count,)] = cursor.fetchall()
    return int(count)


@pytest.fixture
def filled(server: Server) -> Server:
    """The module's server with a table ``kept``."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS kept")
        cursor.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000)")
    return server


def test_a_killed_server_loses_nothing_committed(filled: Server) -> None:
    filled.kill()

    filled.start()

    assert committed(filled) == 1000


def test_a_pid_file_that_names_a_living_process_does_not_prevent_a_start(filled: Server) -> None:
    filled.stop()
    pid_file = filled.folder.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{filled.folder.data}\n0\n5432\n\n\n 0 0\nready\n")
    filled.folder.socket().touch()

    filled.start()

    assert committed(filled) == 1000


def test_servers_that_a_killed_owner_left_are_ended(filled: Server) -> None:
    assert processes_of(filled.folder)

    end_leftovers(filled.folder)

    assert processes_of(filled.folder) == []
    filled.start()
    assert committed(filled) == 1000


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from sandbox.postgres.binaries import installation
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.server import Server

server = Server(InstanceFolder(Path(sys.argv[1])), installation("16"))
server.initialise()
server.start()
print("started", flush=True)
sys.stdin.read()
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "a")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout
    assert owner.stdout.readline() == b"started\n"
    family = psutil.Process(owner.pid).children(recursive=True)
    assert family

    owner.kill()
    owner.wait()

    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_folder_too_deep_for_a_sockets_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = Server(InstanceFolder(deep / "staging"), installation("16"))
    server.initialise()
    server.start()
    try:
        with server.connect() as connection:
            assert connection.info.dbname == "postgres"
    finally:
        server.stop()


def test_version_18(tmp_path: Path) -> None:
    server = Server(InstanceFolder(tmp_path / "a"), installation("18"))
    server.initialise()
    server.start()
    try:
        with server.connect() as connection:
            assert connection.info.server_version // 10_000 == 18
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_why(tmp_path: Path, filled: Server) -> None:
    broken = Server(InstanceFolder(tmp_path / "b"), installation("16"))
    broken.folder.make()

    with pytest.raises(SandboxError, match=r"PG_VERSION|not a valid data directory") as refused:
        broken.start()

    assert str(broken.folder.log) in refused.value.remedy


def test_a_parameter_that_postgresql_refuses_is_named(tmp_path: Path) -> None:
    server = Server(InstanceFolder(tmp_path / "c"), installation("16"))
    server.initialise()
    server.parameters = {"work_mem": "lots"}

    with pytest.raises(SandboxError, match="work_mem"):
        server.start()


def test_stop_waits_for_no_client_that_is_connected(filled: Server) -> None:
    with filled.connect() as connection:
        filled.stop()
        with pytest.raises(psycopg2.OperationalError):
            connection.cursor().execute("SELECT 1")
    filled.start()
