"""Makes the template of a server that was just restored: locked, scrubbed, proven, closed.

The order is the point. Nobody but the master can log in before anything else happens, and the
template gets its name, by which alone clones are made, only after the scrub and its proof have
succeeded. A run that is killed or fails leaves a server without a template, which hands out
nothing; the next run begins where it makes a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier

from database.branches import copying, names, registry
from database.branches.errors import BranchError
from database.branches.registry import Kind

if TYPE_CHECKING:
    from database.branches.registry import Session
    from database.branches.server import Master

Scrub = Callable[[], None]
"""Scrubs the restored database and proves it; raises when anything is left."""


@dataclass(frozen=True)
class Restored:
    """A server that was just restored from a snapshot.

    Attributes:
        master: The server.
        database: The database with staging's data.
        snapshot: What it was restored from.
    """

    master: Master
    database: str
    snapshot: str


def make(restored: Restored, scrub: Scrub, say: Callable[[str], None]) -> None:
    """Turn the restored database into the template, once.

    Raises:
        BranchError: It can't become one; says why.
        BusyError: Another run is at it.
    """
    registry.install(restored.master)
    with registry.session(restored.master) as session:
        if _has_template(session):
            say(f"{names.TEMPLATE} is there already")
            return
        _lock_out(session)
        say("nobody but the master user can log in, and nobody else may connect")
    # Not under the lock: there is nothing to clone yet, and a scrub has connections of its own.
    scrub()
    say("scrubbed and proven")
    with registry.session(restored.master) as session:
        _close(session, restored)
        size = copying.size(session, names.TEMPLATE)
        say(f"{restored.database} is now {names.TEMPLATE}, {size} bytes")
        _try_out(session)
        say("a clone of it was made and dropped: every block was read")


def _has_template(session: Session) -> bool:
    return any(e.kind is Kind.TEMPLATE and e.exists for e in session.entries())


def _lock_out(session: Session) -> None:
    """Staging's roles came with the snapshot, and their passwords are known in staging."""
    logins = session.query(
        "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> current_user"
        r" AND NOT rolsuper AND rolname !~ '^(rds|pg_)'"
    )
    for (role,) in logins:
        session.execute(SQL("ALTER ROLE {} NOLOGIN").format(Identifier(role)))
    open_to_all = session.query(
        "SELECT datname FROM pg_database WHERE datallowconn AND pg_get_userbyid(datdba) = "
        "current_user"
    )
    for (database,) in open_to_all:
        session.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))


def _close(session: Session, restored: Restored) -> None:
    """Close the database, give it its name and write it down, all at once."""
    copying.allow_connections(session, restored.database, allow=False)
    copying.end_connections(session, restored.database)
    with session.transaction():
        session.renamed(restored.database, names.TEMPLATE, Kind.TEMPLATE)
        session.execute(
            SQL("ALTER DATABASE {} IS_TEMPLATE true").format(Identifier(names.TEMPLATE))
        )
        session.execute(
            "INSERT INTO origin (snapshot, scrubbed) VALUES (%s, now())"
            " ON CONFLICT (single) DO UPDATE SET snapshot = excluded.snapshot,"
            " scrubbed = excluded.scrubbed",
            restored.snapshot,
        )


def _try_out(session: Session) -> None:
    """Make a clone and drop it.

    It proves that clones can be made, and it reads every block of the template: after a restore
    RDS fetches each from S3 when it is first touched, which the first preview would wait for.
    """
    copying.drop(session, copying.copy_template(session))


def require(session: Session) -> str:
    """The snapshot that the template was made from.

    Raises:
        BranchError: There is no template, or one that nobody scrubbed.
    """
    found = session.query(
        "SELECT snapshot FROM origin JOIN pg_database ON datname = %s"
        " WHERE scrubbed IS NOT NULL AND datistemplate AND NOT datallowconn",
        names.TEMPLATE,
    )
    if not found or not _has_template(session):
        raise BranchError(
            f"server {session.master.host} has no scrubbed template; nothing is cloned from it."
        )
    return str(found[0][0])
