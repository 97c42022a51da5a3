"""``python -m database.branches.template``: turn a restored database into the template.

The Job of a generation runs it once, from the trusted image, as the master user. The order
matters: before anything else only the master user can log in, and the template gets its name,
from which alone clones are made, after the scrub and its proof have succeeded. If a run is
killed or fails, the server has no template and serves no clones; the next run continues.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.sql import SQL, Identifier
from pydantic import Field, SecretStr

from database.branches import clones, names, registry
from database.branches.errors import BranchError
from database.branches.registry import DatabaseKind
from database.branches.server import Master
from service.settings import ConfigurationError, DatabaseAddress, load

if TYPE_CHECKING:
    from database.branches.registry import Session

Scrub = Callable[[], None]
"""Scrubs the restored database and proves it; raises if personal data is left."""


@dataclass(frozen=True)
class RestoredServer:
    """A server that was just restored from a snapshot.

    Attributes:
        master: The server.
        database: The database with staging's data.
        snapshot: The snapshot.
    """

    master: Master
    database: str
    snapshot: str


class TemplateSettings(DatabaseAddress):
    """The restored database with its master user: ``DATABASE_*``.

    Attributes:
        user: The master user.
        password: Its password.
        snapshot: The snapshot that the server was restored from.
    """

    user: str = Field(min_length=1)
    password: SecretStr
    snapshot: str = Field(min_length=1)


class ScrubFailedError(BranchError):
    """Failure of the scrub, which has reported its own error."""


def make(restored: RestoredServer, scrub: Scrub, report: Callable[[str], None]) -> None:
    """Turn the restored database into the template, unless there is one.

    Raises:
        BranchError: The template can't be made.
        ServerBusyError: Another run is making it.
    """
    registry.install(restored.master)
    with registry.session(restored.master) as session:
        if _has_template(session):
            report(f"{names.TEMPLATE} exists already")
            return
        _lock_out(session)
        report("only the master user can log in and connect")
    # Not under the lock: there is nothing to clone yet, and a scrub has connections of its own.
    scrub()
    report("scrubbed and proven")
    with registry.session(restored.master) as session:
        _close(session, restored)
        size = clones.size(session, names.TEMPLATE)
        report(f"{restored.database} is now {names.TEMPLATE}, {size} bytes")
        _try_out(session)
        report("a clone of it was made and dropped, which read every block")


def require(session: Session) -> str:
    """Return the snapshot that the template was made from.

    Raises:
        BranchError: There is no template, or it was not scrubbed.
    """
    found = session.query(
        "SELECT snapshot FROM origin JOIN pg_database ON datname = %s"
        " WHERE scrubbed IS NOT NULL AND datistemplate AND NOT datallowconn",
        names.TEMPLATE,
    )
    if not found or not _has_template(session):
        raise BranchError(
            f"server {session.master.host} has no scrubbed template, so no clones are made of it."
            " Run `previews refresh`, which creates a server with one."
        )
    return str(found[0][0])


def run_scrub() -> None:
    """Scrub and prove in a child process, which reads the same environment.

    Raises:
        ScrubFailedError: It failed, so there must be no template.
    """
    done = subprocess.run([sys.executable, "-m", "database.scrub"], check=False, env=os.environ)
    if done.returncode != 0:
        raise ScrubFailedError(
            f"the scrub failed with exit code {done.returncode}, so this server gets no template."
            " The lines above name the cause."
        )


def main() -> int:
    """Make the template.

    Returns:
        Exit code: 0 if it exists, 1 if not, 2 for an invalid environment.
    """
    try:
        settings = load(TemplateSettings)
        master = Master(
            settings.host, settings.user, settings.password, settings.port, settings.sslmode
        )
        make(RestoredServer(master, settings.name, settings.snapshot), run_scrub, _report)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (BranchError, psycopg2.Error) as error:
        sys.stderr.write(f"template: {' '.join(str(error).split())}\n")
        return 1
    return 0


def _report(line: str) -> None:
    sys.stdout.write(f"template: {line}\n")
    sys.stdout.flush()


def _has_template(session: Session) -> bool:
    return any(e.kind is DatabaseKind.TEMPLATE and e.exists for e in session.entries())


def _lock_out(session: Session) -> None:
    """Disable the roles of staging, which the snapshot contains with their passwords."""
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


def _close(session: Session, restored: RestoredServer) -> None:
    """Close the database to connections; rename and record it in one transaction."""
    clones.allow_connections(session, restored.database, allow=False)
    clones.end_connections(session, restored.database)
    with session.transaction():
        session.rename(restored.database, names.TEMPLATE, DatabaseKind.TEMPLATE)
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

    It proves that clones can be made, and reads every block of the template: after a restore
    RDS fetches each block from S3 on its first read, which would delay the first preview.
    """
    clones.drop(session, clones.copy_template(session))


if __name__ == "__main__":
    sys.exit(main())
