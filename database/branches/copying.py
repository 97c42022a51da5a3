"""Whole databases: copied, opened, closed, renamed away, dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.errors import ObjectInUse
from psycopg2.sql import SQL, Identifier
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from database.branches import names
from database.branches.errors import BranchError, BusyError
from database.branches.registry import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from database.branches.registry import Session

FILE_COPY_ABOVE_BYTES = 256 << 20
"""From this size on files are copied, with two checkpoints, instead of writing all of it into
the WAL (docs/benchmarks.md has the figures)."""

_GONE_SECONDS = 10.0


def copy_template(session: Session) -> str:
    """A new clone of the template, which nobody can connect to yet.

    Returns:
        Its name, one of `names.making`.

    Raises:
        BusyError: Somebody is connected to the template; the server's own maintenance can be.
        BranchError: There is no template.
    """
    name = names.making()
    strategy = "FILE_COPY" if size(session, names.TEMPLATE) > FILE_COPY_ABOVE_BYTES else "WAL_LOG"
    session.note(name, Kind.MAKING)
    try:
        # Closed from its first moment: a new database is open to everybody.
        session.execute(
            SQL(
                f"CREATE DATABASE {{}} TEMPLATE {{}} STRATEGY {strategy} ALLOW_CONNECTIONS false"
            ).format(Identifier(name), Identifier(names.TEMPLATE))
        )
    except ObjectInUse as error:
        raise BusyError(f"the template is in use: {' '.join(str(error).split())}") from error
    session.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))
    return name


def size(session: Session, database: str) -> int:
    """Bytes of a database.

    Raises:
        BranchError: There is none of this name.
    """
    found = session.query(
        "SELECT pg_database_size(datname) FROM pg_database WHERE datname = %s", database
    )
    if not found:
        raise BranchError(
            f"server {session.master.host} has no database {database}. A refresh makes a server"
            " with one: `previews refresh`."
        )
    return int(found[0][0])


def allow_connections(session: Session, database: str, *, allow: bool) -> None:
    """Let those connect who have the right to, or nobody at all."""
    session.execute(
        SQL(f"ALTER DATABASE {{}} ALLOW_CONNECTIONS {str(allow).lower()}").format(
            Identifier(database)
        )
    )


def end_connections(session: Session, database: str) -> None:
    """End every connection to a database, and wait until they are gone.

    Raises:
        BusyError: One is still there after 10 s.
    """

    def left() -> int:
        ((count,),) = session.query(
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND backend_type = 'client backend') AS ended",
            database,
        )
        return int(count)

    Retrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(_GONE_SECONDS),
        wait=wait_fixed(0.02),
        retry_error_callback=lambda _: _refuse(database),
    )(left)


def _refuse(database: str) -> None:
    raise BusyError(f"database {database}: a connection to it does not end.")


def drop(session: Session, database: str, roles: Sequence[str] = ()) -> None:
    """Drop a database, then its roles, and strike it; what is gone already is no error.

    Args:
        session: Of the server.
        database: The database.
        roles: Those that own nothing elsewhere.

    Raises:
        BranchError: It is none that this program made.
    """
    known = {entry.name for entry in session.entries()}
    if database not in known or not names.may_be_dropped(database):
        raise BranchError(f"database {database} was not made here, so it is not dropped here.")
    session.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(database)))
    drop_roles(session, roles)
    session.forget(database)


def drop_roles(session: Session, roles: Sequence[str]) -> None:
    """Drop roles that own nothing; one that is gone is no error."""
    for role in roles:
        session.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))
