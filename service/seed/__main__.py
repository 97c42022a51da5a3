"""``python -m service.seed --rows N``: fill the database with generated customers.

The variables ``SEED_ROWS`` and ``SEED_CANARIES`` stand for the options that are not given.

Existing rows are not changed, so it can be repeated, killed half-way, and run for more rows
later. It needs a role that may insert; the application's is enough.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2

from service.database.connection import connect
from service.seed import canaries
from service.seed.rows import COLUMNS, batches
from service.settings import ConfigurationError, MigrationSettings, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg2.extensions import connection

    Batch = tuple[list[str], list[str]]

_COPY = f"COPY customers ({', '.join(COLUMNS)}) FROM STDIN"
# Batches a transaction: the more are ordered together, the fewer pages of an index are visited.
_TOGETHER = 5


class _Lines:
    """Lines as a file, from which psycopg2 reads."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._left = "".join(lines).encode()
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next ``size`` bytes, empty at the end."""
        chunk = self._left[self._at : self._at + size]
        self._at += len(chunk)
        return chunk

    # psycopg2's types ask for both; COPY reads blocks.
    readline = read


def seed(database: connection, *more: connection, rows: int, number: int) -> int:
    """Store generated customers, several batches per transaction.

    Args:
        database: A connection that is not in a transaction.
        more: Further connections, which store other batches in parallel.
        rows: Number of rows to reach.
        number: Seed; the same number generates the same customers.

    Returns:
        Number of rows that were added.
    """
    with database, database.cursor() as cursor:
        cursor.execute("SELECT FROM customers LIMIT 1")
        is_empty = cursor.rowcount == 0
    work = _Work(batches(number, rows))
    connections = (database, *more)
    with ThreadPoolExecutor(len(connections)) as threads:
        storing = [
            threads.submit(_store_all, each, work, look_up=not is_empty) for each in connections
        ]
    added = sum(each.result() for each in storing)
    if added:
        with database, database.cursor() as cursor:
            # Query plans are bad until the statistics include the rows.
            cursor.execute("ANALYZE customers")
    return added


class _Work:
    """The batches that no thread has taken yet."""

    def __init__(self, left: Iterator[Batch]) -> None:
        self._left = left
        self._lock = threading.Lock()

    def take(self) -> list[Batch]:
        """Return the next batches; none if all are taken or a thread failed."""
        with self._lock:
            return list(islice(self._left, _TOGETHER))

    def clear(self) -> None:
        """Let the other threads finish after their present batches."""
        with self._lock:
            self._left = iter(())


def _store_all(database: connection, work: _Work, *, look_up: bool) -> int:
    added = 0
    try:
        while taken := work.take():
            lines = dict(pair for ids, part in taken for pair in zip(ids, part, strict=True))
            added += _store(database, lines, look_up=look_up)
    except BaseException:
        work.clear()
        raise
    return added


def _store(database: connection, lines: dict[str, str], *, look_up: bool) -> int:
    with database, database.cursor() as cursor:
        if look_up:
            # Before the first ANALYZE the planner would read the whole table for each batch.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                "SELECT id::text FROM customers WHERE id = ANY(%s::uuid[])", (list(lines),)
            )
            for (stored,) in cursor.fetchall():
                del lines[stored]
        if lines:
            # In the order of their names two indexes, of names and of addresses, grow side by side.
            ordered = sorted(lines.values(), key=_name)
            cursor.copy_expert(_COPY, _Lines(ordered), size=1 << 17)
    return len(lines)


def _name(line: str) -> str:
    return line.split("\t", 2)[1]


def main(arguments: list[str] | None = None) -> int:
    """Fill the database.

    Returns:
        Exit code: 0 if the rows exist, 1 if the database returned an error, 2 for invalid input.
    """
    parser = argparse.ArgumentParser(prog="python -m service.seed", description="Fill customers.")
    rows = os.environ.get("SEED_ROWS")
    parser.add_argument(
        "--rows", type=_count, default=rows, required=not rows, help="how many customers"
    )
    parser.add_argument("--seed", type=int, default=1, help="which customers (default: 1)")
    parser.add_argument(
        "--canaries",
        action="store_true",
        default=os.environ.get("SEED_CANARIES") == "true",
        help="add people whose marks may show up nowhere else",
    )
    options = parser.parse_args(arguments)
    started = monotonic()
    try:
        login = load(MigrationSettings)
        with closing(_connect(login)) as one, closing(_connect(login)) as other:
            added = seed(one, other, rows=options.rows, number=options.seed)
            if options.canaries:
                canaries.release(one)
    except ConfigurationError as error:
        _complain(str(error))
        return 2
    except psycopg2.Error as error:
        _complain(f"seed: the database refused: {' '.join(str(error).split())}")
        return 1
    seconds = monotonic() - started
    sys.stdout.write(f"seed: added {added} of {options.rows} customers in {seconds:.1f} s\n")
    return 0


def _connect(login: MigrationSettings) -> connection:
    return connect(login, application="service-seed")


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        msg = "expected at least 1"
        raise argparse.ArgumentTypeError(msg)
    return value


if __name__ == "__main__":
    sys.exit(main())
