"""``python -m database.branches.template``: turn a restored database into the template.

The Job of a generation runs it once, from the trusted image, as the master user. The order
matters: before anything else only the master user can log in, and the template gets its name,
from which alone clones are made, after the scrub and its proof have succeeded. If a run is
killed or fails, the server has no template and serves no clones; the next run continues.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.sql import SQL, Identifier
from pydantic import Field

from database import scrub
from database.branches import clones, names, registry
from database.branches.errors import BranchError
from database.branches.registry import DatabaseKind
from database.branches.server import Master
from database.connection import connect
from database.output import report_environment, report_failure, reporter
from database.settings import ConfigurationError, DatabaseLogin, ScrubSettings, load

if TYPE_CHECKING:
    from database.branches.registry import Session

_APPLICATION = "database-template"
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


class TemplateSettings(DatabaseLogin):
    """The restored database with its master user: ``DATABASE_*``.

    Attributes:
        snapshot: The snapshot that the server was restored from.
    """

    snapshot: str = Field(min_length=1)


def make(restored: RestoredServer, scrub_it: Scrub, report: Callable[[str], None]) -> None:
    """Turn the restored database into the template, unless there is one.

    Raises:
        BranchError: The template can't be made.
        ServerBusyError: Another run is making it.
        ScrubError: Personal data may be left.
    """
    registry.install(restored.master)
    with registry.session(restored.master) as session:
        if _has_template(session):
            report(f"{names.TEMPLATE} exists already")
            return
        _lock_out(session)
        report("only the master user can log in and connect")
    # Not under the lock: there is nothing to clone yet, and a scrub has connections of its own.
    scrub_it()
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


def scrub_restored(settings: DatabaseLogin, rules: scrub.Rules) -> None:
    """Scrub and prove the restored database, over two connections.

    Raises:
        ScrubError: Personal data may be left, so there must be no template.
        psycopg2.Error: A statement failed.
    """
    with (
        closing(connect(settings, application=_APPLICATION)) as one,
        closing(connect(settings, application=_APPLICATION)) as other,
    ):
        scrub.scrub_and_prove(one, other, rules=rules, report=reporter("scrub"))


def main() -> int:
    """Make the template.

    Returns:
        Exit code: 0 if it exists, 1 if not, 2 for an invalid environment.
    """
    try:
        settings = load(TemplateSettings)
        rules = scrub.load(load(ScrubSettings).rules)
        master = Master(
            settings.host, settings.user, settings.password, settings.port, settings.sslmode
        )
        restored = RestoredServer(master, settings.name, settings.snapshot)
        make(restored, partial(scrub_restored, settings, rules), reporter("template"))
    except ConfigurationError as error:
        report_environment(error)
        return 2
    except scrub.ScrubError as error:
        report_failure(f"scrub: {error}")
        return 1
    except (BranchError, psycopg2.Error) as error:
        report_failure(f"template: {error}")
        return 1
    return 0


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
