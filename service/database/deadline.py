"""A limit on waiting for PostgreSQL that holds even if the server does not respond at all.

``statement_timeout`` is enforced by the server, so it does not help against one that is
frozen or behind a network that drops packets; libpq itself would wait for ever.
psycopg2 lets the program wait in its place (``set_wait_callback``), where the limit is
enforced.
"""

from __future__ import annotations

import select
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, STATUS_SETUP, set_wait_callback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection


class DeadlineExceededError(psycopg2.OperationalError):
    """Silence of the server until the deadline; psycopg2 has closed the connection."""


class _Limits(threading.local):
    connect_seconds: float | None = None
    deadline: float | None = None


_limits = _Limits()


def install() -> None:
    """Apply the limits of :func:`deadline` to all connections of this process.

    Without a surrounding :func:`deadline` waiting stays unlimited. ``COPY`` no longer
    works in the process: psycopg2 can't do it while a callback is installed.
    """
    set_wait_callback(_wait)


@contextmanager
def deadline(seconds: float, *, connect_seconds: float) -> Iterator[None]:
    """Limit the time that this thread waits for PostgreSQL.

    Args:
        seconds: Limit on everything inside the block together.
        connect_seconds: Limit on each connection opened in it.

    Raises:
        DeadlineExceededError: From the psycopg2 call that was waiting.
    """
    _limits.deadline = monotonic() + seconds
    _limits.connect_seconds = connect_seconds
    try:
        yield
    finally:
        _limits.deadline = None
        _limits.connect_seconds = None


def _wait(conn: connection) -> None:
    end = _limits.deadline
    if end is not None and conn.status == STATUS_SETUP and _limits.connect_seconds is not None:
        end = min(end, monotonic() + _limits.connect_seconds)
    while (state := conn.poll()) != POLL_OK:
        poller = select.poll()
        poller.register(conn.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        remaining = None if end is None else max(0.0, end - monotonic()) * 1000
        if not poller.poll(remaining):
            msg = "no answer from the server in time"
            raise DeadlineExceededError(msg)
