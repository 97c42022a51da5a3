"""Disabling of connections by others than the master, from before the scrub until its proof."""

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
    """Refuse a database with other connections, since a fresh copy has none.

    Raises:
        ScrubError: Other roles are connected.
    """
    cursor.execute(_OTHERS)
    others = [role for (role,) in cursor.fetchall()]
    if others:
        msg = (
            f"roles {', '.join(others)} are connected to this database, so it is not a fresh copy"
            " and nothing was changed. Scrub a database right after it was restored or cloned,"
            " never one in use"
        )
        raise ScrubError(msg)


def lock_out(cursor: Cursor) -> None:
    """Revoke CONNECT from all other roles; the preparation grants it to two roles afterwards.

    Raises:
        ScrubError: A role keeps the privilege.
    """
    cursor.execute("SELECT current_database()")
    ((database,),) = cursor.fetchall()
    for grantee in _grantees(cursor):
        role = SQL("PUBLIC") if grantee is None else Identifier(grantee)
        cursor.execute(
            SQL("REVOKE CONNECT ON DATABASE {} FROM {} CASCADE").format(Identifier(database), role)
        )
    left = ["PUBLIC" if role is None else role for role in _grantees(cursor)]
    if left:
        msg = (
            f"roles {', '.join(left)} may still connect, which only the database's owner can revoke"
            ": run the scrub as the owner"
        )
        raise ScrubError(msg)


def _grantees(cursor: Cursor) -> list[str | None]:
    cursor.execute(_GRANTEES)
    return [grantee for (grantee,) in cursor.fetchall()]
