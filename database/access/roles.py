"""The two roles: one for migrations, one for reading and writing rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Identifier, Literal

from database.access.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from pydantic import SecretStr

# Since this version a member may be kept from using a role, so that use must be granted.
SPLIT_MEMBERSHIP = 160000


def ensure(cursor: Cursor, role: str, password: SecretStr) -> None:
    """Create ``role``, or set its ``password``; refuse one with too many privileges.

    The password leaves this process as a SCRAM verifier, so that neither the server's log
    nor ``pg_stat_statements`` can contain it (libpq, ``PQencryptPasswordConn``).

    Raises:
        AccessError: The role exists with attributes that it must not have.
    """
    cursor.execute(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls "
        "FROM pg_roles WHERE rolname = %s",
        (role,),
    )
    found = cursor.fetchone()
    if found is not None and found[0]:
        msg = (
            f"role {role} exists and has too many privileges (superuser, createrole, createdb, "
            "replication or bypassrls). Remove them, or choose another name."
        )
        raise AccessError(msg)
    verifier = encrypt_password(
        password.get_secret_value(), role, cursor.connection, "scram-sha-256"
    )
    verb = SQL("CREATE") if found is None else SQL("ALTER")
    cursor.execute(
        SQL("{} ROLE {} WITH LOGIN INHERIT PASSWORD {}").format(
            verb, Identifier(role), Literal(verifier)
        )
    )


def join(cursor: Cursor, role: str) -> None:
    """Make the master a member of ``role``, which a change of ownership requires."""
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    row = cursor.fetchone()
    if row is not None and row[0]:
        return
    options = " WITH INHERIT TRUE, SET TRUE" if _version(cursor) >= SPLIT_MEMBERSHIP else ""
    cursor.execute(SQL("GRANT {} TO CURRENT_USER" + options).format(Identifier(role)))


def grant(cursor: Cursor, database: str, schemas: Sequence[str], migrator: str, app: str) -> None:
    """Revoke all privileges, then grant each role those that it needs.

    Args:
        cursor: Cursor of the master, a member of ``migrator``.
        database: The database's name.
        schemas: The app's schemas.
        migrator: Role that may create extensions and schemas, and owns the app's objects.
        app: Role that may read and write rows, in present and future tables and schemas.
    """
    names = {
        "database": Identifier(database),
        "migrator": Identifier(migrator),
        "app": Identifier(app),
    }
    for statement in _GRANTS:
        cursor.execute(SQL(statement).format(**names))
    for schema in schemas:
        for statement in _GRANTS_IN_A_SCHEMA:
            cursor.execute(SQL(statement).format(schema=Identifier(schema), **names))
        _grant_routines(cursor, schema, migrator, app)


_GRANTS = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC, {app}, {migrator}",
    "GRANT CONNECT ON DATABASE {database} TO {migrator}, {app}",
    # For schemas of the app's own, and for trusted extensions, such as uuid-ossp and citext: their
    # creator needs no more than this.
    "GRANT CREATE ON DATABASE {database} TO {migrator}",
    # For whatever a migration creates later, in whichever schema.
    "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} GRANT USAGE ON SCHEMAS TO {app}",
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator}"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}"
    ),
    "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} REVOKE EXECUTE ON ROUTINES FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} GRANT EXECUTE ON ROUTINES TO {app}",
)
_GRANTS_IN_A_SCHEMA = (
    "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {app}",
    "GRANT USAGE, CREATE ON SCHEMA {schema} TO {migrator}",
    "GRANT USAGE ON SCHEMA {schema} TO {app}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {app}",
    "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {app}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {app}",
)


def _grant_routines(cursor: Cursor, schema: str, migrator: str, app: str) -> None:
    """Let the app call the app's own routines, which its defaults, checks and triggers call too.

    Those of extensions have their extension's privileges.
    """
    cursor.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p"
        " JOIN pg_namespace AS n ON n.oid = pronamespace"
        " WHERE nspname = %s AND pg_get_userbyid(proowner) = %s",
        (schema, migrator),
    )
    for (routine,) in cursor.fetchall():
        # The name comes from regprocedure, which quotes it.
        cursor.execute(SQL(f"REVOKE ALL ON ROUTINE {routine} FROM PUBLIC"))
        cursor.execute(SQL(f"GRANT EXECUTE ON ROUTINE {routine} TO {{}}").format(Identifier(app)))


def _version(cursor: Cursor) -> int:
    return cursor.connection.server_version
