"""Databases of a shared server: copying the template, spare clones, dropping, cleaning up.

Only databases that the registry records are ever dropped. A preview's database is dropped once
its namespace is known not to exist: if the cluster does not answer, nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.errors import ObjectInUse
from psycopg2.sql import SQL, Identifier
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from database.branches import names
from database.branches.errors import BranchError, ServerBusyError
from database.branches.names import BranchNames
from database.branches.registry import DatabaseKind

if TYPE_CHECKING:
    from database.branches.registry import Session

FILE_COPY_ABOVE_BYTES = 256 << 20
"""From this size on files are copied, with two checkpoints, instead of writing all of it into
the WAL (docs/benchmarks.md has the figures)."""

_DISCONNECT_SECONDS = 10.0
_UNFINISHED = frozenset({DatabaseKind.PENDING, DatabaseKind.RETIRED})


@dataclass(frozen=True)
class SparePool:
    """The number of clones that are made in advance, for templates that take long to copy.

    Attributes:
        spares: Clones of a large template that are kept available.
        above_bytes: The size from which a template is large.
    """

    spares: int = 2
    above_bytes: int = 2 << 30


def copy_template(session: Session) -> str:
    """Make a clone of the template, which accepts no connections yet.

    Returns:
        Its name, one of `names.pending`.

    Raises:
        ServerBusyError: The template has a connection, for example of the server's maintenance.
        BranchError: There is no template.
    """
    name = names.pending()
    strategy = "FILE_COPY" if size(session, names.TEMPLATE) > FILE_COPY_ABOVE_BYTES else "WAL_LOG"
    session.record(name, DatabaseKind.PENDING)
    try:
        # Closed from the start: by default PostgreSQL lets everybody connect to a new database.
        session.execute(
            SQL(
                f"CREATE DATABASE {{}} TEMPLATE {{}} STRATEGY {strategy} ALLOW_CONNECTIONS false"
            ).format(Identifier(name), Identifier(names.TEMPLATE))
        )
    except ObjectInUse as error:
        raise ServerBusyError(f"the template is in use: {' '.join(str(error).split())}") from error
    session.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))
    return name


def size(session: Session, database: str) -> int:
    """Return the size of a database in bytes.

    Raises:
        BranchError: The server has no database of this name.
    """
    found = session.query(
        "SELECT pg_database_size(datname) FROM pg_database WHERE datname = %s", database
    )
    if not found:
        raise BranchError(
            f"server {session.master.host} has no database {database}. Run `previews refresh`,"
            " which creates a server with one."
        )
    return int(found[0][0])


def allow_connections(session: Session, database: str, *, allow: bool) -> None:
    """Accept connections of roles that have the privilege, or no connections at all."""
    session.execute(
        SQL(f"ALTER DATABASE {{}} ALLOW_CONNECTIONS {str(allow).lower()}").format(
            Identifier(database)
        )
    )


def end_connections(session: Session, database: str) -> None:
    """Terminate all connections to a database, and wait until they are closed.

    Raises:
        ServerBusyError: One is still open after 10 s.
    """

    def remaining() -> int:
        ((count,),) = session.query(
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND backend_type = 'client backend') AS ended",
            database,
        )
        return int(count)

    Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(_DISCONNECT_SECONDS),
        wait=wait_fixed(0.02),
        retry_error_callback=lambda _: _refuse(database),
    )(remaining)


def _refuse(database: str) -> None:
    raise ServerBusyError(
        f"a connection to database {database} was terminated and is still open after"
        f" {_DISCONNECT_SECONDS:.0f} s. The controller retries."
    )


def add_spare(session: Session, pool: SparePool) -> bool:
    """Make one spare clone, if there are too few.

    Returns:
        True if one was made, and another one may be missing.
    """
    held = sum(entry.kind is DatabaseKind.SPARE and entry.exists for entry in session.entries())
    if held >= pool.spares or size(session, names.TEMPLATE) < pool.above_bytes:
        return False
    clone = copy_template(session)
    with session.transaction():
        session.rename(clone, names.spare(), DatabaseKind.SPARE)
    return True


def take_spare(session: Session) -> str | None:
    """Take a spare clone, None if there is none.

    It is pending again from now on, so that a killed run's is dropped like any unfinished one.
    """
    spares = (e.name for e in session.entries() if e.kind is DatabaseKind.SPARE and e.exists)
    spare = next(spares, None)
    if spare is None:
        return None
    clone = names.pending()
    with session.transaction():
        session.rename(spare, clone, DatabaseKind.PENDING)
    return clone


def drop(session: Session, database: str, roles: Sequence[str] = ()) -> None:
    """Drop a database, its roles and its entry; none of them has to exist.

    Args:
        session: Session of the server.
        database: The database.
        roles: Roles that own nothing in other databases.

    Raises:
        BranchError: This program did not create the database.
    """
    recorded = {entry.name for entry in session.entries()}
    if database not in recorded or not names.may_be_dropped(database):
        raise BranchError(
            f"database {database} was not created by the branch controller, so it is not dropped."
        )
    session.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))
    drop_roles(session, roles)
    session.remove_entry(database)


def drop_roles(session: Session, roles: Sequence[str]) -> None:
    """Drop roles that own nothing; none of them has to exist."""
    for role in roles:
        session.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))


def drop_unfinished(session: Session) -> list[str]:
    """Drop the pending and retired databases of a killed run.

    No other run can be using them, since the session holds the server's lock.

    Returns:
        Names of the dropped databases.
    """
    unfinished = [entry.name for entry in session.entries() if entry.kind in _UNFINISHED]
    for name in unfinished:
        drop(session, name)
    return unfinished


def drop_orphans(
    session: Session, requested: Collection[str], is_gone: Callable[[str], bool]
) -> list[str]:
    """Drop the databases of namespaces that no longer exist.

    Args:
        session: Session of the server.
        requested: Namespaces that have a request.
        is_gone: Looks a namespace up in the cluster, right before its database is dropped;
            raises if the cluster does not answer.

    Returns:
        The namespaces whose databases were dropped.
    """
    dropped: list[str] = []
    for entry in session.entries():
        found = BranchNames.of(entry.namespace or "")
        if entry.kind is not DatabaseKind.BRANCH or found is None or found.namespace in requested:
            continue
        if is_gone(found.namespace):
            drop(session, entry.name, (found.app, found.migrator))
            dropped.append(found.namespace)
    return dropped
