"""Nobody but the master may connect, from before the first row is read until the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier

from database.scrub.errors import ScrubError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_OTHERS = """
SELECT DISTINCT usename::text FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid
WHERE datname = current_database() AND usename <> current_user AND NOT r.rolsuper
ORDER BY 1
"""
_GRANTEES = """
SELECT DISTINCT CASE acl.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(acl.grantee) END
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
WHERE datname = current_database() AND acl.privilege_type = 'CONNECT'
  AND acl.grantee <> current_user::regrole
"""


def refuse_if_in_use(cursor: Cursor) -> None:
    """Go no further where somebody works: a copy that was just made has nobody in it.

    Raises:
        ScrubError: Names the roles that are connected.
    """
    cursor.execute(_OTHERS)
    others = [role for (role,) in cursor.fetchall()]
    if others:
        msg = (
            f"{', '.join(others)} work in this database, so it is no fresh copy and nothing was"
            " changed. Scrub what was just restored or cloned, never a database in use"
        )
        raise ScrubError(msg)


def lock_out(cursor: Cursor) -> None:
    """Take the right to connect from everybody; prepare gives it to two roles afterwards.

    Raises:
        ScrubError: Somebody could still connect.
    """
    cursor.execute("SELECT current_database()")
    ((database,),) = cursor.fetchall()
    for grantee in _grantees(cursor):
        role = SQL("PUBLIC") if grantee is None else Identifier(grantee)
        cursor.execute(
            SQL("REVOKE CONNECT ON DATABASE {} FROM {} CASCADE").format(Identifier(database), role)
        )
    left = ["everybody" if role is None else role for role in _grantees(cursor)]
    if left:
        msg = f"{', '.join(left)} may still connect: only the database's owner can take that away"
        raise ScrubError(msg)


def _grantees(cursor: Cursor) -> list[str | None]:
    cursor.execute(_GRANTEES)
    return [grantee for (grantee,) in cursor.fetchall()]
