"""The connection that changes the schema: one, and with limits of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from service.database.connection import connect_arguments, connection_url

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from service.settings import MigrationSettings


def migration_engine(settings: MigrationSettings) -> Engine:
    """An engine whose connections keep the migration's timeouts; it holds none of them."""
    return create_engine(
        connection_url(settings),
        connect_args=connect_arguments(settings, application="service-migrate"),
        poolclass=NullPool,
        hide_parameters=True,
    )
