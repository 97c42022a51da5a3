"""Ownership of all objects in the schema by the migrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier

from service.prepare import roles

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

# Left out: objects of extensions, and sequences, which follow their column's table.
_FOREIGN_OBJECTS = """
SELECT kind, name, owner FROM (
    SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS namespace, relowner,
           CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
                        WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                        ELSE 'TABLE' END AS kind,
           oid::regclass::text AS name
    FROM pg_class WHERE relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, pronamespace, proowner, 'ROUTINE', oid::regprocedure::text
    FROM pg_proc
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typnamespace, typowner,
           CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, oid::regtype::text
    FROM pg_type WHERE typtype IN ('d', 'e')
) AS object
CROSS JOIN LATERAL (SELECT pg_get_userbyid(relowner) AS owner) AS role
WHERE namespace = 'public'::regnamespace
  AND owner <> %(migrator)s
  AND NOT EXISTS (
      SELECT FROM pg_depend
      WHERE classid = catalog AND objid = object.oid AND deptype IN ('e', 'a', 'i')
        AND (deptype = 'e' OR kind = 'SEQUENCE'))
ORDER BY kind, name
"""


def foreign_objects(cursor: Cursor, migrator: str) -> list[tuple[str, str, str]]:
    """Return the objects that ``migrator`` does not own: kind, qualified name, owner."""
    cursor.execute(_FOREIGN_OBJECTS, {"migrator": migrator})
    return cursor.fetchall()


def take_over(cursor: Cursor, migrator: str) -> int:
    """Make ``migrator`` the owner of everything in the schema.

    Args:
        cursor: Cursor of the master, a member of ``migrator``.
        migrator: The new owner.

    Returns:
        Number of objects whose owner was changed.
    """
    # An owner needs the right to create where its object is.
    cursor.execute(SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(Identifier(migrator)))
    objects = foreign_objects(cursor, migrator)
    cursor.execute("SELECT current_user")
    master = (cursor.fetchone() or ("",))[0]
    for owner in sorted({owner for _, _, owner in objects} - {master}):
        roles.join(cursor, owner)
    for kind, name, _ in objects:
        # The name comes from regclass, regprocedure or regtype, which quote it.
        cursor.execute(SQL(f"ALTER {kind} {name} OWNER TO {{}}").format(Identifier(migrator)))
    return len(objects)
