"""Roles of a new RDS server, and changes of the master user's password."""

from __future__ import annotations

import re

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from psycopg2.extensions import encrypt_password

# Permissions of rds_superuser's members on RDS for PostgreSQL 16:
# AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.html
_GRANTED_TO_RDS_SUPERUSER = (
    "pg_monitor",
    "pg_signal_backend",
    "pg_checkpoint",
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_use_reserved_connections",
    "pg_create_subscription",
    "rds_replication",
    "rds_password",
)
_RESERVED = re.compile(r"(rds.*|pg_.*|public|none|current_user|session_user)", re.IGNORECASE)


def is_reserved(username: str) -> bool:
    """Return True if RDS rejects a master user of this name."""
    return _RESERVED.fullmatch(username) is not None


def create_master(
    connection: Connection, *, username: str, password: str, database: str | None
) -> None:
    """Create RDS's roles, the master user and the first database on a new server.

    Args:
        connection: Connection of the administrator.
        username: Master user, a member of ``rds_superuser`` and no superuser.
        password: Sent as a SCRAM verifier, so that no log contains it.
        database: Name of the first database, owned by the master user.
    """
    with connection.cursor() as cursor:
        for role in ("rds_superuser", "rds_replication", "rds_password", "rds_iam", "rds_ad"):
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        for role in _GRANTED_TO_RDS_SUPERUSER:
            cursor.execute(
                sql.SQL("GRANT {} TO rds_superuser WITH ADMIN OPTION").format(sql.Identifier(role))
            )
        master = sql.Identifier(username)
        cursor.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser").format(master)
        )
        set_password(connection, username, password)
        # On RDS the master user also owns template1, so that it can close it.
        present = ("postgres", "template1")
        for name in dict.fromkeys([*present, database or "postgres"]):
            here = sql.Identifier(name)
            if name not in present:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(here))
            cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(here, master))


def set_password(connection: Connection, username: str, password: str) -> None:
    """Change a role's password; only its SCRAM verifier is sent to the server."""
    verifier = encrypt_password(password, username, connection, "scram-sha-256")
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(username), sql.Literal(verifier)
            )
        )
