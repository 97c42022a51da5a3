"""Snapshots of a server's data, taken while it runs, and their restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from sandbox.postgres.copying import copy_file, copy_tree, remove, whole_or_nothing
from sandbox.postgres.folder import InstanceFolder, give_to_server
from sandbox.postgres.server import Server

# Rebuilt at start, or specific to the copied server; listed in
# https://www.postgresql.org/docs/16/continuous-archiving.html, "Backing Up the Data Directory".
_CONTENTS_LEFT_OUT = {
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_replslot",
}
_FILES_LEFT_OUT = {"postmaster.pid", "postmaster.opts", "backup_label.old", "pg_internal.init"}
_SLOT = "sandbox_backup"


def take_snapshot(server: Server, target: Path) -> None:
    """Copy a server's data to the folder ``target``, atomically.

    A running server continues to serve: the copy is an online backup, with all that was committed
    before the call. It forces a checkpoint, so that a restored server replays only milliseconds
    of its log.
    """
    with whole_or_nothing(target) as partial:
        snapshot = InstanceFolder(partial)
        copy_file(server.folder.password_file, snapshot.password_file)
        if not server.is_running:
            copy_tree(server.folder.data, snapshot.data, skip=_left_out)
        else:
            _copy_online(server, snapshot.data)


def restore(snapshot: Path, target: InstanceFolder) -> None:
    """Copy a snapshot's data to a new server's folder, atomically."""
    remove(target.path)
    with whole_or_nothing(target.path) as partial:
        source = InstanceFolder(snapshot)
        copied = InstanceFolder(partial)
        copy_tree(source.data, copied.data, skip=lambda _: False)
        copy_file(source.password_file, copied.password_file)


def _left_out(path: Path) -> bool:
    return (
        path.name in _FILES_LEFT_OUT
        or path.parent.name in _CONTENTS_LEFT_OUT
        or path.name.startswith("pgsql_tmp")
    )


@dataclass(frozen=True)
class _Stopped:
    """Result of an online backup's end: its label, and the log that it needs."""

    label: str
    last_segment: str


def _copy_online(server: Server, target: Path) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        # The slot keeps the log that the copy needs.
        cursor.execute("SELECT pg_create_physical_replication_slot(%s, true, true)", [_SLOT])
        cursor.execute("SELECT pg_walfile_name(pg_backup_start('snapshot', fast => true))")
        [(first_segment,)] = cursor.fetchall()
        copy_tree(
            server.folder.data,
            target,
            skip=lambda path: _left_out(path) or _comes_later(path),
        )
        # Last, so that it is never older than the pages that it refers to.
        copy_file(server.folder.data / "global" / "pg_control", target / "global" / "pg_control")
        stopped = _stop_backup(cursor)
        _copy_log(server.folder.data, target, first_segment, stopped.last_segment)
    label = target / "backup_label"
    label.write_text(stopped.label)
    label.chmod(0o600)
    give_to_server(label)


def _comes_later(path: Path) -> bool:
    in_log = path.parent.name == "pg_wal" and path.name != "archive_status"
    return in_log or path == Path("global/pg_control")


def _stop_backup(cursor: Cursor) -> _Stopped:
    cursor.execute(
        "SELECT labelfile, pg_walfile_name(lsn) FROM pg_backup_stop(wait_for_archive => false)"
    )
    [(label, last_segment)] = cursor.fetchall()
    return _Stopped(label, last_segment)


def _copy_log(data: Path, target: Path, first: str, last: str) -> None:
    for segment in sorted((data / "pg_wal").iterdir()):
        if segment.is_file() and first <= segment.name <= last:
            copy_file(segment, target / "pg_wal" / segment.name)
