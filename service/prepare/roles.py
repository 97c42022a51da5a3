"""The two roles: one for migrations, one for reading and writing rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Identifier, Literal

from service.prepare.errors import PrepareError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from pydantic import SecretStr

# Since this version a member may be kept from using a role, so that use must be granted.
SPLIT_MEMBERSHIP = 160000


def ensure(cursor: Cursor, role: str, password: SecretStr) -> None:
    """Create ``role``, or set its ``password``; refuse one with too many privileges.

    The password leaves this process as a SCRAM verifier, so that neither the server's log
    nor ``pg_stat_statements`` can contain it (libpq, ``PQencryptPasswordConn``).

    Raises:
        PrepareError: The role exists with attributes that it must not have.
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
        raise PrepareError(msg)
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


def grant(cursor: Cursor, database: str, migrator: str, app: str) -> None:
    """Revoke all privileges, then grant each role those that it needs.

    Args:
        cursor: Cursor of the master, a member of ``migrator``.
        database: The database's name.
        migrator: Role that may create extensions and schemas, and owns all objects of the schema.
        app: Role that may read and write rows, in present and future tables.
    """
    names = {
        "database": Identifier(database),
        "migrator": Identifier(migrator),
        "app": Identifier(app),
    }
    for statement in _GRANTS:
        cursor.execute(SQL(statement).format(**names))


_GRANTS = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC, {app}, {migrator}",
    "GRANT CONNECT ON DATABASE {database} TO {migrator}, {app}",
    # For trusted extensions, such as uuid-ossp and citext: their creator needs no more than this.
    "GRANT CREATE ON DATABASE {database} TO {migrator}",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC, {app}",
    "GRANT USAGE, CREATE ON SCHEMA public TO {migrator}",
    "GRANT USAGE ON SCHEMA public TO {app}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {app}",
    "REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {app}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app}",
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA public"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}"
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA public"
        " GRANT USAGE, SELECT ON SEQUENCES TO {app}"
    ),
    # A default privilege of PUBLIC can only be revoked for all schemas at once.
    "ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
)


def _version(cursor: Cursor) -> int:
    return cursor.connection.server_version
