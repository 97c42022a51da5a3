"""Alembic's environment: on the connection of ``service.migrate``, or on one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context
from sqlmodel import SQLModel

from service.customers.models import Customer
from service.database.migration import migration_engine
from service.idempotency.models import IdempotencyKey
from service.settings import MigrationSettings, load

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Named, so that what registers the tables is not taken for an unused import.
TABLES = (Customer, IdempotencyKey)


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        transaction_per_migration=True,
        compare_server_default=True,
        on_version_apply=context.config.attributes.get("on_version_apply"),
    )
    # A trial can't let a step commit.
    if (block := context.config.attributes.get("autocommit_block")) is not None:
        context.get_context().autocommit_block = block  # type: ignore[method-assign]
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        target_metadata=SQLModel.metadata,
        transaction_per_migration=True,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    with migration_engine(load(MigrationSettings)).connect() as own:
        _run(own)
