from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from sandbox.postgres import backup, copying
from sandbox.postgres.binaries import installation
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.server import Server
from tests.waiting import HANGS

pytestmark = pytest.mark.sandbox


def rows(server: Server, query: str) -> list[tuple[object, ...]]:
    with server.connect("app") as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def restored(snapshot: Path, folder: Path) -> Server:
    backup.restore(snapshot, InstanceFolder(folder))
    server = Server(InstanceFolder(folder), installation("16"))
    server.start()
    return server


def test_a_running_server_is_copied_while_it_is_written_to(server: Server, tmp_path: Path) -> None:
    """Two tables grow in step, so that a torn copy would show a difference."""
    with server.connect("app") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE one (n int PRIMARY KEY); CREATE TABLE two (n int PRIMARY KEY)")
    done = threading.Event()
    started = threading.Event()

    def write() -> None:
        with server.connect("app") as connection, connection.cursor() as cursor:
            number = 0
            while not done.is_set():
                number += 1
                cursor.execute(
                    "BEGIN; INSERT INTO one VALUES (%(n)s); INSERT INTO two VALUES (%(n)s); COMMIT",
                    {"n": number},
                )
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(HANGS)
    [(before,)] = rows(server, "SELECT count(*) FROM one")
    backup.take_snapshot(server, tmp_path / "snapshot")
    done.set()
    writer.join()

    copy = restored(tmp_path / "snapshot", tmp_path / "restored")
    try:
        [(one,)] = rows(copy, "SELECT count(*) FROM one")
        [(two,)] = rows(copy, "SELECT count(*) FROM two")
        [(last,)] = rows(copy, "SELECT max(n) FROM one")
    finally:
        copy.stop()
    assert isinstance(one, int)
    assert isinstance(before, int)
    assert one == two == last
    assert one >= before


def test_two_restored_servers_and_the_source_are_apart(server: Server, tmp_path: Path) -> None:
    with server.connect("app") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE shared AS SELECT generate_series(1, 100) AS n")
    backup.take_snapshot(server, tmp_path / "snapshot")
    first = restored(tmp_path / "snapshot", tmp_path / "first")
    second = restored(tmp_path / "snapshot", tmp_path / "second")
    try:
        with first.connect("app") as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM shared WHERE n > 10")
        assert rows(first, "SELECT count(*) FROM shared") == [(10,)]
        assert rows(second, "SELECT count(*) FROM shared") == [(100,)]
        assert rows(server, "SELECT count(*) FROM shared") == [(100,)]
    finally:
        first.stop()
        second.stop()


def test_a_stopped_server_is_copied_too(server: Server, tmp_path: Path) -> None:
    with server.connect("app") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE quiet AS SELECT 7 AS n")
    server.stop()
    backup.take_snapshot(server, tmp_path / "snapshot")
    server.start()

    copy = restored(tmp_path / "snapshot", tmp_path / "restored")
    try:
        assert rows(copy, "SELECT n FROM quiet") == [(7,)]
    finally:
        copy.stop()


def test_a_full_disk_leaves_no_half_copy_and_a_serving_server(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Path] = []
    copy_file = copying.copy_file

    def until_full(source: Path, target: Path) -> None:
        if len(copied) > 20:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        copied.append(target)
        copy_file(source, target)

    monkeypatch.setattr(copying, "copy_file", until_full)

    with pytest.raises(OSError, match="No space left"):
        backup.take_snapshot(server, tmp_path / "snapshot")

    assert list(tmp_path.iterdir()) == []
    assert rows(server, "SELECT count(*) FROM pg_replication_slots") == [(0,)]
