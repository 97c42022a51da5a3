"""Alembic's environment, as its template for asyncio has it."""

import asyncio

from alembic import context
from app.settings import Settings
from app.tables import Base
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine


def run(connection: Connection) -> None:
    """Run the migrations on a connection."""
    context.configure(connection=connection, target_metadata=Base.metadata, include_schemas=True)
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    """Connect, and run the migrations."""
    engine = create_async_engine(Settings().url(), poolclass=pool.NullPool)  # type: ignore[call-arg]
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
