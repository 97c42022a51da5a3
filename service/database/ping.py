"""Liveness check of pooled connections (``pool_pre_ping``), except for reads.

The check is a round trip. A transaction is worth it; a read that finds its connection dead is
simply repeated on a new one, so for most reads the check would be half of the work.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection


class _Spared(threading.local):
    now: bool = False


_spared = _Spared()


def install(engine: Engine) -> None:
    """Make :func:`spared` work for ``engine``, whose pool otherwise checks each connection."""
    ask = engine.dialect.do_ping

    def do_ping(connection: DBAPIConnection) -> bool:
        return _spared.now or ask(connection)

    engine.dialect.do_ping = do_ping  # type: ignore[assignment, method-assign]


@contextmanager
def spared() -> Iterator[None]:
    """Skip the check for connections that this thread takes from a pool."""
    _spared.now = True
    try:
        yield
    finally:
        _spared.now = False
