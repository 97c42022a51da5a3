"""``python -m database.prepare``: prepare a copy of staging's database for a preview.

Scrubs it, proves the scrub, and only then creates the roles that may connect. It runs from the
trusted image, before any code of the pull request, and can be repeated: a database that was
proven before is not scrubbed again.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
from alembic.script import ScriptDirectory
from psycopg2.sql import SQL

from database import scrub
from database.scrub import catalogue, engine
from service.database.connection import connect
from service.migrate import alembic_config
from service.prepare.__main__ import prepare as prepare_roles
from service.prepare.errors import PrepareError
from service.settings import ConfigurationError, PrepareSettings, load

if TYPE_CHECKING:
    from psycopg2.extensions import connection

# The count has to read the table itself, even if an index would be faster.
_NO_INDEX_SCANS = """
SET LOCAL enable_indexscan = off;
SET LOCAL enable_indexonlyscan = off;
SET LOCAL enable_bitmapscan = off;
"""


def prepare(settings: PrepareSettings, rules: scrub.Rules) -> None:
    """Scrub, prove, create the roles.

    Raises:
        ScrubError: Personal data may be left; connections stay disabled.
        PrepareError: Something else is not safe; connections stay disabled.
        psycopg2.Error: A statement failed; connections stay disabled.
    """
    master = settings.login(settings.master_user, settings.master_password)
    with (
        closing(connect(master, application="database-scrub")) as one,
        closing(connect(master, application="database-scrub")) as other,
    ):
        report(f"{scrub.run(one, other, rules=rules, revision=newest_revision())}")
        scrub.prove(one, other, rules=rules)
        report("proven: no text that looks like personal data is left")
        report(f"{warm(one) / 2**20:.0f} MiB of tables read once")
    prepare_roles(settings)


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


def newest_revision() -> str | None:
    """Return the migration that this image's rules describe."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def report(line: str) -> None:
    """Write a line of progress to the log."""
    sys.stdout.write(f"scrub: {line}\n")
    sys.stdout.flush()


def report_failure(line: str) -> None:
    """Write the error to the log; Kubernetes shows its last line as the Job's message."""
    sys.stderr.write(f"{' '.join(line.split())}\n")


def main() -> int:
    """Prepare the database.

    Returns:
        Exit code: 0 on success, 1 if connections stay disabled, 2 for an invalid environment.
    """
    try:
        prepare(load(PrepareSettings), scrub.load())
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except scrub.ScrubError as error:
        report_failure(f"scrub: {error}")
        return 1
    except (PrepareError, psycopg2.Error) as error:
        report_failure(f"prepare: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
