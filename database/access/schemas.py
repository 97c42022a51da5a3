"""The schemas of the app: all but PostgreSQL's, those of extensions, and the scrub's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

STATE_SCHEMA = "scrub"
"""Schema of the scrub's state, which the master alone may use."""

_OF_THE_APP = """
SELECT nspname::text FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', %(state)s)
  AND NOT EXISTS (
      SELECT FROM pg_depend
      WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid AND deptype = 'e')
ORDER BY nspname
"""


def of_the_app(cursor: Cursor) -> list[str]:
    """Return the names of the app's schemas, ``public`` usually the only one."""
    cursor.execute(_OF_THE_APP, {"state": STATE_SCHEMA})
    return [name for (name,) in cursor.fetchall()]
