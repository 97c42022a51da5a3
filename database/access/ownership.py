"""Ownership of the app's schemas, and of all objects in them, by the migrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg2.sql import SQL, Identifier

from database.access import roles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812


class ForeignObject(NamedTuple):
    """An object that another role owns.

    Attributes:
        kind: Its kind, as ``ALTER`` takes it.
        name: Its name with its schema, quoted.
        owner: The role that owns it.
    """

    kind: str
    name: str
    owner: str


# Left out: objects of extensions, sequences, which follow their column's table, and the
# constructors of a range type, which belong to the server.
_FOREIGN_OBJECTS = """
SELECT kind, name, owner FROM (
    SELECT 'pg_class'::regclass AS catalog, oid, relnamespace AS namespace, relowner,
           CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
                        WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                        WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END AS kind,
           oid::regclass::text AS name
    FROM pg_class WHERE relkind IN ('r', 'p', 'S', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, pronamespace, proowner, 'ROUTINE', oid::regprocedure::text
    FROM pg_proc
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typnamespace, typowner,
           CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, oid::regtype::text
    FROM pg_type WHERE typtype IN ('d', 'e', 'r')
    UNION ALL
    -- The schema public is the database owner's, in which the migrator may create.
    SELECT 'pg_namespace'::regclass, oid, oid, nspowner, 'SCHEMA', quote_ident(nspname)
    FROM pg_namespace WHERE nspname <> 'public'
) AS object
CROSS JOIN LATERAL (SELECT pg_get_userbyid(relowner) AS owner) AS role
WHERE namespace::regnamespace::text = ANY (
          SELECT quote_ident(name) FROM unnest(%(schemas)s::text[]) AS name)
  AND owner <> %(migrator)s
  AND NOT EXISTS (
      SELECT FROM pg_depend
      WHERE classid = catalog AND objid = object.oid AND deptype IN ('e', 'a', 'i')
        AND (deptype = 'e' OR kind = 'SEQUENCE' OR kind = 'ROUTINE' AND deptype = 'i'))
ORDER BY kind = 'SCHEMA' DESC, kind, name
"""


def foreign_objects(cursor: Cursor, schemas: Sequence[str], migrator: str) -> list[ForeignObject]:
    """Return the schemas, and the objects in them, that ``migrator`` does not own."""
    cursor.execute(_FOREIGN_OBJECTS, {"schemas": list(schemas), "migrator": migrator})
    return [ForeignObject(*row) for row in cursor.fetchall()]


def take_over(cursor: Cursor, schemas: Sequence[str], migrator: str) -> int:
    """Make ``migrator`` the owner of the schemas and of everything in them.

    Args:
        cursor: Cursor of the master, a member of ``migrator``.
        schemas: The app's schemas.
        migrator: The new owner.

    Returns:
        Number of objects whose owner was changed.
    """
    objects = foreign_objects(cursor, schemas, migrator)
    cursor.execute("SELECT current_user")
    ((master,),) = cursor.fetchall()
    for owner in sorted({each.owner for each in objects} - {master}):
        roles.join(cursor, owner)
    # An owner needs the right to create where its object is.
    cursor.execute(SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(Identifier(migrator)))
    for kind, name, _ in objects:
        # The name comes from regclass, regprocedure, regtype or quote_ident, which quote it.
        cursor.execute(SQL(f"ALTER {kind} {name} OWNER TO {{}}").format(Identifier(migrator)))
    return len(objects)
