"""Whether a connection from the pool is asked first if it still lives (``pool_pre_ping``).

The question is a round trip. A transaction is worth it; a read that finds its connection
dead is simply done again on a new one, so for most reads the question is half of the work.
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
    """Let :func:`spared` be said of ``engine``; without it, its pool asks as ever."""
    ask = engine.dialect.do_ping

    def do_ping(connection: DBAPIConnection) -> bool:
        return _spared.now or ask(connection)

    engine.dialect.do_ping = do_ping  # type: ignore[assignment, method-assign]


@contextmanager
def spared() -> Iterator[None]:
    """Connections that this thread takes from a pool are not asked."""
    _spared.now = True
    try:
        yield
    finally:
        _spared.now = False
