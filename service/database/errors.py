"""Failures of PostgreSQL as problems for the client."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType

from psycopg2 import errors as pg
from sqlalchemy.exc import DBAPIError

from service.database.deadline import DeadlineExceededError
from service.problems import Problem


class DatabaseUnavailableError(Problem):
    """Failure to reach PostgreSQL, or loss of the connection."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "database-unavailable"
    title = "The database is not available"
    headers = MappingProxyType({"Retry-After": "2"})


class DatabaseBusyError(Problem):
    """Timeout while waiting for a connection, all of which are in use."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "database-busy"
    title = "Too many requests are waiting for the database"
    headers = MappingProxyType({"Retry-After": "1"})


class DatabaseSlowError(Problem):
    """Timeout of a statement."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "database-slow"
    title = "The database did not answer in time"
    headers = MappingProxyType({"Retry-After": "5"})


class DatabaseLockedError(Problem):
    """Timeout while waiting for a row that another transaction has locked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "database-locked"
    title = "Another request is changing the same data"
    headers = MappingProxyType({"Retry-After": "1"})


_TRY_AGAIN = (pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable)
_NO_ROOM = (pg.TooManyConnections, pg.ConfigurationLimitExceeded, pg.OutOfMemory)


def as_problem(error: DBAPIError) -> Problem | None:
    """Return the problem to answer for ``error``.

    Returns:
        None if it is a fault of this program, which is a 500.
    """
    cause = error.orig
    if isinstance(cause, (pg.QueryCanceled, DeadlineExceededError)):
        return DatabaseSlowError()
    if isinstance(cause, _TRY_AGAIN):
        return DatabaseLockedError()
    if isinstance(cause, _NO_ROOM):
        return DatabaseBusyError()
    if error.connection_invalidated or isinstance(cause, pg.OperationalError | pg.InterfaceError):
        return DatabaseUnavailableError()
    return None


def reason(error: BaseException) -> str:
    """Return the class of a failure, for health answers: never a host, a role or a password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, DeadlineExceededError):
        return "timeout"
    if isinstance(cause, pg.QueryCanceled):
        return "timeout"
    text = str(cause).lower()
    for part, name in _REASONS.items():
        if part in text:
            return name
    return "unavailable"


# libpq reports a failed connection as one class which only its text distinguishes.
_REASONS = {
    "connection refused": "connection_refused",
    "timeout expired": "timeout",
    "timed out": "timeout",
    "could not translate host name": "name_not_resolved",
    "password authentication failed": "authentication_failed",
    "no pg_hba.conf entry": "authentication_failed",
    "does not exist": "database_missing",
    "certificate": "tls_failed",
    "ssl": "tls_failed",
    "too many clients": "too_many_connections",
    "starting up": "starting_up",
    "shutting down": "shutting_down",
    "closed the connection": "connection_lost",
}
