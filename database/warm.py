"""Reads a restored database through once, so that nobody waits for its first touch.

RDS fetches a block of a restored volume when it is first read, which made a query of 50 ms take
30 s. What the scrub rewrote lies in new files with new indexes, and needs none of this; it is
the tables that it left as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.sql import SQL

from database.scrub import catalogue, engine

if TYPE_CHECKING:
    from psycopg2.extensions import connection

# Whatever index would do for counting, it is the table that has to be read.
_WHOLE = """
SET LOCAL enable_indexscan = off;
SET LOCAL enable_indexonlyscan = off;
SET LOCAL enable_bitmapscan = off;
"""


def warm(database: connection) -> int:
    """Read every table from its first block to its last.

    Args:
        database: As the owner, not in a transaction.

    Returns:
        Bytes of the tables.
    """
    with database, database.cursor() as cursor:
        engine.set_limits(cursor)
        cursor.execute(_WHOLE)
        tables = [table for table in catalogue.read(cursor) if table.kind in {"r", "m"}]
        for table in tables:
            cursor.execute(SQL("SELECT count(*) FROM ONLY {}").format(table.sql))
    return sum(table.size for table in tables)
