"""The connection for migrations: a single one, with timeouts of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from service.database.connection import connect_arguments, connection_url

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from service.settings import MigrationSettings


def migration_engine(settings: MigrationSettings) -> Engine:
    """Return an engine whose connections have the migration's timeouts and are not pooled."""
    return create_engine(
        connection_url(settings),
        connect_args=connect_arguments(settings, application="service-migrate"),
        poolclass=NullPool,
        hide_parameters=True,
    )
