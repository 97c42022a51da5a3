"""``python -m service.seed --rows N``: fill the database with generated customers.

Rows that are there already are left alone, so it can be run again, be killed half-way, and
be asked for more rows later. Needs a role that may insert; the application's is enough.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2

from service.database.connection import connect_arguments
from service.seed.rows import COLUMNS, batches
from service.settings import ConfigurationError, MigrationSettings, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import connection

_COPY = f"COPY customers ({', '.join(COLUMNS)}) FROM STDIN"


class _Lines:
    """The file that psycopg2 reads from: as much as asked for, whatever the lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._left = "".join(lines).encode()
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes, or none at the end."""
        chunk = self._left[self._at : self._at + size]
        self._at += len(chunk)
        return chunk

    # psycopg2's types ask for both; COPY reads blocks.
    readline = read


def seed(database: connection, *, rows: int, number: int) -> int:
    """Store generated customers, a batch a transaction.

    Args:
        database: Not in a transaction.
        rows: How many there should be.
        number: Which customers: the same number makes the same ones.

    Returns:
        How many were added.
    """
    added = 0
    for ids, lines in batches(number, rows):
        with database, database.cursor() as cursor:
            # Before the first ANALYZE the planner would read the whole table for each batch.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SELECT id::text FROM customers WHERE id = ANY(%s::uuid[])", (ids,))
            stored = {row[0] for row in cursor.fetchall()}
            missing = (
                [line for key, line in zip(ids, lines, strict=True) if key not in stored]
                if stored
                else lines
            )
            if missing:
                cursor.copy_expert(_COPY, _Lines(missing), size=1 << 17)
            added += len(missing)
    if added:
        with database, database.cursor() as cursor:
            # Plans are bad until the statistics know of the rows.
            cursor.execute("ANALYZE customers")
    return added


def main(arguments: list[str] | None = None) -> int:
    """Fill the database.

    Returns:
        Exit code: 0 when the rows are there, 1 when the database refused, 2 for wrong input.
    """
    parser = argparse.ArgumentParser(prog="python -m service.seed", description="Fill customers.")
    parser.add_argument("--rows", type=_count, required=True, help="how many customers")
    parser.add_argument("--seed", type=int, default=1, help="which customers (default: 1)")
    options = parser.parse_args(arguments)
    started = monotonic()
    try:
        login = load(MigrationSettings)
        database = psycopg2.connect(
            host=login.host,
            port=login.port,
            dbname=login.name,
            user=login.user,
            password=login.password.get_secret_value(),
            **connect_arguments(login, application="service-seed"),
        )
        with closing(database):
            added = seed(database, rows=options.rows, number=options.seed)
    except ConfigurationError as error:
        _complain(str(error))
        return 2
    except psycopg2.Error as error:
        _complain(f"seed: the database refused: {' '.join(str(error).split())}")
        return 1
    seconds = monotonic() - started
    sys.stdout.write(f"seed: added {added} of {options.rows} customers in {seconds:.1f} s\n")
    return 0


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
