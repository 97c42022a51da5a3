from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service.database import Database
from service.database.errors import (
    DatabaseBusyError,
    DatabaseLockedError,
    DatabaseSlowError,
    DatabaseUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection
    from sqlmodel import Session

    from tests.service.conftest import PreparedDatabase


@asynccontextmanager
async def opened(migrated: PreparedDatabase, **values: Any) -> AsyncIterator[Database]:
    database = Database(migrated.app(**values))
    try:
        yield database
    finally:
        await asyncio.to_thread(database.close)


def one(session: Session) -> Any:
    return session.scalar(text("SELECT 1"))


def backend(session: Session) -> int:
    return int(session.scalar(text("SELECT pg_backend_pid()")) or 0)


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until ``condition`` holds; the test's own limit ends a vain wait."""
    while not condition():  # noqa: ASYNC110  (numbers, which no event announces)
        await asyncio.sleep(0)


async def test_when_every_connection_is_in_use_the_wait_is_short(
    migrated: PreparedDatabase,
) -> None:
    release = threading.Event()
    async with opened(migrated, pool_size=2, pool_wait_seconds=0.3) as database:
        held = [asyncio.create_task(database.run(lambda _: release.wait(30))) for _ in range(2)]
        await until(lambda: database.in_use == 2)
        with pytest.raises(DatabaseBusyError):
            await database.run(one)
        # It was refused while both were in use, and not after one of them became free.
        assert database.in_use == 2
        # Health does not stand in that queue.
        assert await database.check() is None
        release.set()
        await asyncio.gather(*held)
        assert await database.run(one) == 1
        assert (database.in_use, database.waiting) == (0, 0)


async def test_the_queue_has_an_end(migrated: PreparedDatabase) -> None:
    release = threading.Event()
    async with opened(migrated, pool_size=1, pool_waiters=2, pool_wait_seconds=20) as database:
        held = asyncio.create_task(database.run(lambda _: release.wait(30)))
        await until(lambda: database.in_use == 1)
        waiting = [asyncio.create_task(database.run(one)) for _ in range(2)]
        await until(lambda: database.waiting == 2)
        with pytest.raises(DatabaseBusyError):
            await database.run(one)
        release.set()
        assert await asyncio.gather(*waiting) == [1, 1]
        await held


async def test_work_that_loses_its_connection_is_done_again(migrated: PreparedDatabase) -> None:
    """A failover: the server ends the session in the middle of a transaction."""
    server = migrated.server
    seen: list[int] = []

    def work(session: Session) -> int:
        seen.append(backend(session))
        if len(seen) == 1:
            server.execute(f"SELECT pg_terminate_backend({seen[0]}, 5000)")
        return int(session.scalar(text("SELECT 7")) or 0)

    async with opened(migrated, pool_size=1) as database:
        assert await database.run(work) == 7
    assert len(set(seen)) == 2


async def test_a_connection_that_died_in_the_pool_is_not_noticed(
    migrated: PreparedDatabase,
) -> None:
    async with opened(migrated, pool_size=1) as database:
        first = await database.run(backend)
        migrated.server.execute(f"SELECT pg_terminate_backend({first}, 5000)")
        assert await database.run(backend) != first


@pytest.mark.parametrize("dead", [1, 3])
async def test_a_read_on_connections_that_died_in_the_pool_is_not_noticed(
    migrated: PreparedDatabase, dead: int
) -> None:
    """Reads don't ask first: they find out themselves, and leave nothing behind."""

    def isolation(connection: Connection) -> tuple[int, str]:
        found = connection.execute(
            text("SELECT pg_backend_pid(), current_setting('transaction_isolation')")
        ).one()
        assert connection.connection.dbapi_connection.autocommit
        return found[0], found[1]

    together = threading.Barrier(dead)

    def held(session: Session) -> int:
        together.wait(20)
        return backend(session)

    async with opened(migrated, pool_size=dead) as database:
        before = set(await asyncio.gather(*(database.run(held) for _ in range(dead))))
        assert len(before) == dead
        for process in before:
            migrated.server.execute(f"SELECT pg_terminate_backend({process}, 5000)")
        for _ in range(dead + 1):
            assert (await database.read(isolation))[0] not in before

        def transaction(session: Session) -> bool:
            raw = session.connection().connection.dbapi_connection
            return bool(raw.autocommit)

        assert await database.run(transaction) is False


async def test_a_connection_that_dies_after_its_read_takes_nothing_with_it(
    migrated: PreparedDatabase,
) -> None:
    """Returning the connection after a read sends nothing to the server."""

    def backend_of(connection: Connection) -> int:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)

    def read(connection: Connection) -> int:
        found = backend_of(connection)
        migrated.server.execute(f"SELECT pg_terminate_backend({found}, 5000)")
        return found

    async with opened(migrated, pool_size=1) as database:
        used = await database.read(backend_of)
        assert await database.read(read) == used
        assert await database.read(backend_of) != used


async def test_what_keeps_losing_its_connection_is_given_up(migrated: PreparedDatabase) -> None:
    def work(session: Session) -> None:
        migrated.server.execute(f"SELECT pg_terminate_backend({backend(session)}, 5000)")
        one(session)

    async with opened(migrated, pool_size=1) as database:
        with pytest.raises(DatabaseUnavailableError):
            await database.run(work)


async def test_a_statement_has_a_limit(migrated: PreparedDatabase) -> None:
    async with opened(migrated, pool_size=1, statement_timeout_seconds=2) as database:
        with pytest.raises(DatabaseSlowError):
            await database.run(lambda session: session.execute(text("SELECT pg_sleep(30)")))
        assert await database.run(one) == 1


async def test_silence_has_a_limit_where_the_server_keeps_none(migrated: PreparedDatabase) -> None:
    async with opened(
        migrated, pool_size=1, statement_timeout_seconds=0, deadline_seconds=2
    ) as database:
        # Without a limit the statement would end by itself, and raise nothing.
        with pytest.raises(DatabaseSlowError):
            await database.run(lambda session: session.execute(text("SELECT pg_sleep(30)")))
        assert await database.run(one) == 1


async def test_a_lock_has_a_limit(migrated: PreparedDatabase) -> None:
    other = migrated.server.connect(migrated.name)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        async with opened(migrated, pool_size=1, lock_timeout_seconds=0.1) as database:
            with pytest.raises(DatabaseLockedError):
                await database.run(lambda s: s.execute(text("SELECT count(*) FROM customers")))
    other.rollback()
    other.close()


async def test_a_mistake_of_ours_is_not_the_databases(migrated: PreparedDatabase) -> None:
    async with opened(migrated, pool_size=1) as database:
        with pytest.raises(ProgrammingError):
            await database.run(lambda session: session.execute(text("SELECT * FROM nothing")))
        assert await database.run(one) == 1


async def test_many_questions_about_health_are_one(
    migrated: PreparedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[int] = []
    async with opened(migrated, pool_size=1) as database:
        select_one = database._select_one

        def counting() -> str | None:
            queries.append(1)
            return select_one()

        monkeypatch.setattr(database, "_select_one", counting)
        assert await asyncio.gather(*(database.check() for _ in range(50))) == [None] * 50
        assert len(queries) == 1
        assert await database.check() is None
        assert len(queries) == 2


async def test_nothing_is_stored_by_work_that_fails(migrated: PreparedDatabase) -> None:
    def work(session: Session) -> None:
        session.execute(
            text("INSERT INTO customers (name, email, plan) VALUES ('x', 'x@example.com', 'free')")
        )
        raise ZeroDivisionError

    async with opened(migrated, pool_size=1) as database:
        with pytest.raises(ZeroDivisionError):
            await database.run(work)
        count = text("SELECT count(*) FROM customers WHERE email = 'x@example.com'")
        assert await database.run(lambda session: session.scalar(count)) == 0


async def test_connections_carry_their_limits(migrated: PreparedDatabase) -> None:
    async with opened(
        migrated, statement_timeout_seconds=4.5, lock_timeout_seconds=1.5
    ) as database:

        def shown(session: Session) -> list[Any]:
            names = ("statement_timeout", "lock_timeout", "application_name")
            return [session.scalar(text(f"SHOW {name}")) for name in names]

        assert await database.run(shown) == ["4500ms", "1500ms", "service"]


def test_tls_is_asked_for_unless_told_otherwise(migrated: PreparedDatabase) -> None:
    settings = migrated.app().model_copy(update={"sslmode": "require"})
    database = Database(settings)
    with pytest.raises(psycopg2.OperationalError, match="does not support SSL"):
        database.engine.raw_connection()
    database.close()
