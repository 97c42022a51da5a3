"""``python -m database.prepare``: make a database ready for the code of an app.

``PREPARE_CONTENT`` decides the work. An ``original``, staging's own database, only gets its roles.
A ``copy`` of it is scrubbed by the rules in the file ``SCRUB_RULES``, the scrub is proven, and only
then the roles are created that may connect. It runs before any code of a pull request, and can be
repeated: a database that was proven before is not scrubbed again.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.sql import SQL

from database import access, scrub
from database.access import AccessError
from database.connection import connect
from database.output import report_environment, report_failure, reporter
from database.scrub import catalogue, engine, state
from database.settings import (
    AccessSettings,
    ConfigurationError,
    Content,
    PrepareSettings,
    ScrubSettings,
    load,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection

_APPLICATION = "database-prepare"
# The count has to read the table itself, even if an index would be faster.
_NO_INDEX_SCANS = """
SET LOCAL enable_indexscan = off;
SET LOCAL enable_indexonlyscan = off;
SET LOCAL enable_bitmapscan = off;
"""

_report_scrub = reporter("scrub")
_report = reporter("prepare")


def prepare_copy(settings: AccessSettings, rules: scrub.Rules) -> None:
    """Scrub a copy of staging's data, prove it, and only then let the roles connect.

    Raises:
        ScrubError: Personal data may be left; connections stay disabled.
        AccessError: The roles would not be safe; connections stay disabled.
        psycopg2.Error: A statement failed; connections stay disabled.
    """
    master = settings.login(settings.master_user, settings.master_password)
    with (
        closing(connect(master, application=_APPLICATION)) as one,
        closing(connect(master, application=_APPLICATION)) as other,
    ):
        scrub.scrub_and_prove(one, other, rules=rules, report=_report_scrub)
        _report_scrub(f"{warm(one) / 2**20:.0f} MiB of tables read once")
    access.grant_access(settings, _report)


def prepare_original(settings: AccessSettings) -> None:
    """Create the roles of a database whose data stays as it is.

    Raises:
        ScrubError: It is a copy, whose scrub has begun and was never proven.
        AccessError: The roles would not be safe; nothing was changed.
        psycopg2.Error: A statement failed; nothing was changed.
    """
    master = settings.login(settings.master_user, settings.master_password)
    with (
        closing(connect(master, application=_APPLICATION)) as database,
        database,
        database.cursor() as cursor,
    ):
        state.refuse_if_begun(cursor)
    access.grant_access(settings, _report)


def warm(database: connection) -> int:
    """Read every table from its first block to its last, so that no user waits for it.

    RDS fetches a block of a restored volume on its first read, which made a query of 50 ms take
    30 s. Tables that the scrub rewrote are in new files, with new indexes, and need none of this;
    the others do.

    Args:
        database: Connection as the owner, not in a transaction.

    Returns:
        Size of the tables in bytes.
    """
    with database, database.cursor() as cursor:
        engine.set_limits(cursor)
        cursor.execute(_NO_INDEX_SCANS)
        tables = [table for table in catalogue.read(cursor) if table.kind in {"r", "m"}]
        for table in tables:
            cursor.execute(SQL("SELECT count(*) FROM ONLY {}").format(table.sql))
    return sum(table.size for table in tables)


def main() -> int:
    """Prepare the database.

    Returns:
        Exit code: 0 on success, 1 if it is not ready, 2 for an invalid environment.
    """
    try:
        content = load(PrepareSettings).content
        settings = load(AccessSettings)
        match content:
            case Content.COPY:
                prepare_copy(settings, scrub.load(load(ScrubSettings).rules))
            case Content.ORIGINAL:
                prepare_original(settings)
    except ConfigurationError as error:
        report_environment(error)
        return 2
    except scrub.ScrubError as error:
        report_failure(f"scrub: {error}")
        return 1
    except (AccessError, psycopg2.Error) as error:
        report_failure(f"prepare: {error}")
        return 1
    _report("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
