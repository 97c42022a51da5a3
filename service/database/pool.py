"""A bounded pool, a bounded queue before it, and one transaction per request.

``await database.run(work)`` waits for a slot, runs ``work(session)`` in a thread, commits,
and only then returns, so that no answer is sent for something that was not stored.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import structlog
from fastapi import Depends
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session
from starlette.requests import Request

from service.database import deadline, ping
from service.database.connection import connect_arguments, connection_url
from service.database.deadline import DeadlineExceededError
from service.database.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    as_problem,
    reason,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

    from service.settings import DatabaseSettings

Result = TypeVar("Result")
log = structlog.stdlib.get_logger(__name__)


class _LostBeforeCommitError(Exception):
    """Loss of the connection before the transaction can have been committed."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__()
        self.error = error


class Database:
    """The connections of this process.

    The constructor opens no connection, so the process starts without PostgreSQL.

    Attributes:
        settings: The settings that it was created with.
        engine: SQLAlchemy's engine; requests wait for the slots of ``run``, never for its pool.
        waiting: Requests that wait for a slot.
        in_use: Requests that have one.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        deadline.install()
        self.settings = settings
        self.engine = _engine(settings, size=settings.pool_size, application="service")
        # Health has a connection of its own: a full pool must not look like a dead database.
        self._health_engine = _engine(settings, size=1, application="service-health")
        self._threads = ThreadPoolExecutor(settings.pool_size, thread_name_prefix="database")
        self._health_thread = ThreadPoolExecutor(1, thread_name_prefix="database-health")
        self._places = asyncio.Semaphore(settings.pool_size)
        self.waiting = 0
        self.in_use = 0
        self._check: asyncio.Future[str | None] | None = None

    async def run(self, work: Callable[[Session], Result]) -> Result:
        """Run ``work`` in one transaction and commit it.

        Work that loses its connection before the commit is run once more, on a new
        connection: the first transaction can't have been stored.

        Args:
            work: Called with a session, in a thread.

        Returns:
            The result of ``work``; its objects stay readable after the session is closed.

        Raises:
            Problem: The database is busy, unreachable or too slow (503), or an error of ``work``.
        """
        return await self._in_thread(self._attempt, work)

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Run ``query``, a single statement that changes nothing.

        A statement is a transaction of its own, so BEGIN and COMMIT are left out, which would
        be twice as many round trips as the statement itself.

        Args:
            query: Called with a connection, in a thread.

        Returns:
            The result of ``query``.

        Raises:
            Problem: As :meth:`run`.
        """
        return await self._in_thread(self._attempt_read, query)

    async def _in_thread(
        self, attempt: Callable[[Callable[[Any], Result]], Result], work: Callable[[Any], Result]
    ) -> Result:
        await self._enter()
        self.in_use += 1
        try:
            call = copy_context().run
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, call, self._attempts, attempt, work)
        finally:
            self.in_use -= 1
            self._places.release()

    async def check(self) -> str | None:
        """Query one value with a short timeout; concurrent callers share one query.

        Returns:
            None if the database answered, else the class of the failure.
        """
        if self._check is None:
            loop = asyncio.get_running_loop()
            self._check = loop.run_in_executor(self._health_thread, self._select_one)
            self._check.add_done_callback(self._forget_check)
        return await asyncio.shield(self._check)

    def close(self) -> None:
        """Wait for running work, then close every connection."""
        for threads in (self._threads, self._health_thread):
            threads.shutdown(wait=True)
        for engine in (self.engine, self._health_engine):
            engine.dispose()

    def _forget_check(self, _: asyncio.Future[str | None]) -> None:
        self._check = None

    def _select_one(self) -> str | None:
        limit = self.settings.health_timeout_seconds
        with deadline.deadline(limit, connect_seconds=limit):
            try:
                with self._health_engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
            except DBAPIError as error:
                log.warning("database.unhealthy", reason=reason(error))
                return reason(error)
        return None

    async def _enter(self) -> None:
        if not self._places.locked():
            # Nobody waits: taking a place is a matter of counting.
            await self._places.acquire()
            return
        if self.waiting >= self.settings.pool_waiters:
            raise DatabaseBusyError
        self.waiting += 1
        try:
            async with asyncio.timeout(self.settings.pool_wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise DatabaseBusyError from None
        finally:
            self.waiting -= 1

    def _attempts(
        self, attempt: Callable[[Callable[[Any], Result]], Result], work: Callable[[Any], Result]
    ) -> Result:
        limits = self.settings
        with deadline.deadline(
            limits.deadline_seconds, connect_seconds=limits.connect_timeout_seconds
        ):
            try:
                return self._attempt_twice(attempt, work)
            except DBAPIError as error:
                problem = as_problem(error)
                if problem is None:
                    raise
                log.warning("database.failed", reason=reason(error), kind=problem.kind)
                raise problem from error

    def _attempt_twice(
        self, attempt: Callable[[Callable[[Any], Result]], Result], work: Callable[[Any], Result]
    ) -> Result:
        try:
            return attempt(work)
        except _LostBeforeCommitError as lost:
            log.warning("database.retried", reason=reason(lost.error))
        try:
            return attempt(work)
        except _LostBeforeCommitError as lost:
            raise DatabaseUnavailableError from lost.error

    def _attempt(self, work: Callable[[Session], Result]) -> Result:
        with Session(self.engine, expire_on_commit=False) as session:
            with _detecting_losses():
                result = work(session)
                session.flush()
            session.commit()
            return result

    def _attempt_read(self, query: Callable[[Connection], Result]) -> Result:
        with _detecting_losses(), self.reading() as connection:
            return query(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection without transactions, from the same pool.

        It is not checked first: the read itself detects a dead connection and is repeated.
        Autocommit is set on psycopg2's connection, since resetting SQLAlchemy's
        ``isolation_level`` costs a round trip and fails if the connection died after its read.
        """
        with ping.spared():
            connection = self.engine.connect()
        with connection:
            session: Any = connection.connection.dbapi_connection
            session.autocommit = True
            try:
                yield connection
            finally:
                if not session.closed:
                    session.autocommit = False


@contextmanager
def _detecting_losses() -> Iterator[None]:
    """Raise a distinct error for a lost connection, whose work can be repeated."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated and not isinstance(error.orig, DeadlineExceededError):
            raise _LostBeforeCommitError(error) from error
        raise


def _engine(settings: DatabaseSettings, *, size: int, application: str) -> Engine:
    engine = create_engine(
        connection_url(settings),
        connect_args=connect_arguments(settings, application=application),
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.pool_wait_seconds,
        pool_pre_ping=True,
        # The connection used last is the one whose backend is still in the caches.
        pool_use_lifo=True,
        pool_recycle=1800,
        # Parameters are people's data; they have no place in an error's text.
        hide_parameters=True,
    )
    ping.install(engine)
    return engine


async def get_database(request: Request) -> Database:
    """Return the database that the lifespan opened."""
    database: Database = request.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]
