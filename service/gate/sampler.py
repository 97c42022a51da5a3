"""Observation of a step outside of a transaction, from a second connection.

``CREATE INDEX CONCURRENTLY`` and the like commit several times by themselves, and keep no lock
that could be checked afterwards. Their locks are sampled while they run.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Self

from service.gate.observer import as_locks, driver_cursor, held

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from sqlalchemy import Engine

    from service.gate.report import Lock

_PAUSE_SECONDS = 0.02


class Sampler:
    """Sampling of the locks of a session, until the end of its ``with``.

    Args:
        engine: Opens the second connection.
        pid: PID of the sampled session.
    """

    def __init__(self, engine: Engine, pid: int) -> None:
        self._engine = engine
        self._pid = pid
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="sampler")
        self._state = threading.Lock()
        self._longest: dict[tuple[int, str], float] = {}
        self._former: set[tuple[int, str]] = set()

    def __enter__(self) -> Self:
        self._sampling = self._threads.submit(self._sample)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._threads.shutdown()
        if kind is None:
            # A step that could not be sampled must not count as quick.
            self._sampling.result()

    def locks(self, tables: Mapping[int, str]) -> tuple[Lock, ...]:
        """Return the sampled locks, each with its longest uninterrupted duration."""
        return as_locks(tables, self._longest)

    def next_step(self, former: set[tuple[int, str]]) -> None:
        """Discard the samples, and ignore the locks that the ending step holds until its commit."""
        with self._state:
            self._longest, self._former = {}, former

    def _sample(self) -> None:
        since: dict[tuple[int, str], float] = {}
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            raw = driver_cursor(connection)
            last = monotonic()
            while not self._stop.is_set():
                now_held, now = held(raw, self._pid), monotonic()
                # Between two samples it may have been taken at once after the first.
                since = {lock: since.get(lock, last) for lock in now_held}
                last = now
                with self._state:
                    self._former &= now_held
                    for lock in now_held - self._former:
                        seconds = now - since[lock]
                        self._longest[lock] = max(self._longest.get(lock, 0.0), seconds)
                self._stop.wait(_PAUSE_SECONDS)
