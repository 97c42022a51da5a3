"""Parameters of a connection: address, TLS, and timeouts of server and client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy.engine import URL

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from service.settings import DatabaseLogin


# Amazon's authorities for RDS, which no machine trusts by itself.
RDS_AUTHORITIES = Path(__file__).with_name("rds-ca-bundle.pem")


def connection_url(settings: DatabaseLogin) -> URL:
    """Return SQLAlchemy's URL of the database; :func:`connect_arguments` has TLS and timeouts."""
    return URL.create(
        "postgresql+psycopg2",
        username=settings.user,
        password=settings.password.get_secret_value(),
        host=settings.host,
        port=settings.port,
        database=settings.name,
    )


def connect(settings: DatabaseLogin, *, application: str) -> connection:
    """Open a connection without a pool, for a process that runs once and exits.

    Args:
        settings: Address and login.
        application: Name shown in ``pg_stat_activity``.
    """
    opened: connection = psycopg2.connect(
        host=settings.host,
        port=settings.port,
        dbname=settings.name,
        user=settings.user,
        password=settings.password.get_secret_value(),
        **connect_arguments(settings, application=application),
    )
    return opened


def connect_arguments(
    settings: DatabaseLogin,
    *,
    application: str,
    statement_timeout_seconds: float | None = None,
    lock_timeout_seconds: float | None = None,
) -> dict[str, Any]:
    """Return parameters of libpq: TLS, timeouts, and detection of a dead peer.

    Args:
        settings: Address and login.
        application: Name shown in ``pg_stat_activity``.
        statement_timeout_seconds: Overrides the settings; 0 for no limit.
        lock_timeout_seconds: Overrides the settings; 0 for no limit.

    Source:
        PostgreSQL documentation, 34.1.2 "Parameter Key Words".
    """
    if statement_timeout_seconds is None:
        statement_timeout_seconds = settings.statement_timeout_seconds
    if lock_timeout_seconds is None:
        lock_timeout_seconds = settings.lock_timeout_seconds
    timeouts = {
        "statement_timeout": statement_timeout_seconds,
        "lock_timeout": lock_timeout_seconds,
        "idle_in_transaction_session_timeout": 2 * settings.deadline_seconds,
    }
    arguments: dict[str, Any] = {
        "application_name": application,
        "sslmode": settings.sslmode,
        # libpq reads whole seconds and takes 1 for 2.
        "connect_timeout": max(2, round(settings.connect_timeout_seconds)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": int(settings.deadline_seconds * 1000),
        "options": " ".join(
            f"-c {name}={int(seconds * 1000)}" for name, seconds in timeouts.items()
        ),
    }
    if settings.sslrootcert is not None:
        arguments["sslrootcert"] = str(settings.sslrootcert)
    elif settings.sslmode.startswith("verify-"):
        arguments["sslrootcert"] = str(RDS_AUTHORITIES)
    return arguments
