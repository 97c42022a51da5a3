"""Connections to PostgreSQL: TLS, and timeouts of server and client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from database.settings import DatabaseLogin

# Amazon's authorities for RDS, which no machine trusts by itself.
RDS_AUTHORITIES = Path(__file__).with_name("rds-ca-bundle.pem")


def connect(login: DatabaseLogin, *, application: str) -> connection:
    """Open a connection.

    Args:
        login: Address, login and timeouts.
        application: Name shown in ``pg_stat_activity``.

    Raises:
        psycopg2.OperationalError: The server can't be reached, or refuses the login.
    """
    opened: connection = psycopg2.connect(
        host=login.host,
        port=login.port,
        dbname=login.name,
        user=login.user,
        password=login.password.get_secret_value(),
        **_arguments(login, application),
    )
    return opened


def _arguments(login: DatabaseLogin, application: str) -> dict[str, Any]:
    """Return parameters of libpq: TLS, timeouts, and detection of a dead peer.

    Source:
        PostgreSQL documentation, 34.1.2 "Parameter Key Words".
    """
    timeouts = {
        "statement_timeout": login.statement_timeout_seconds,
        "lock_timeout": login.lock_timeout_seconds,
        "idle_in_transaction_session_timeout": login.idle_timeout_seconds,
    }
    arguments: dict[str, Any] = {
        "application_name": application,
        "sslmode": login.sslmode,
        # libpq reads whole seconds and takes 1 for 2.
        "connect_timeout": max(2, round(login.connect_timeout_seconds)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": int(login.peer_timeout_seconds * 1000),
        "options": " ".join(
            f"-c {name}={int(seconds * 1000)}" for name, seconds in timeouts.items()
        ),
    }
    if login.sslrootcert is not None:
        arguments["sslrootcert"] = str(login.sslrootcert)
    elif login.sslmode.startswith("verify-"):
        arguments["sslrootcert"] = str(RDS_AUTHORITIES)
    return arguments
