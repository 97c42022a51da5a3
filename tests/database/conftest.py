"""The PostgreSQL of the service's tests, and copies of staging in it to be scrubbed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from psycopg2.extensions import connection

from database.scrub import Rules, prove, run
from service.database.migration import migration_engine
from service.migrate import migrate
from service.prepare.__main__ import prepare
from tests.service.conftest import (
    PASSWORD,
    PreparedDatabase,
    _no_environment,
    empty_database,
    server,
)

__all__ = ["_no_environment", "empty_database", "server"]  # Fixtures, found here by pytest.

KEEP = {"how": "keep", "why": "is nothing to hide"}


def rules(**tables: dict[str, Any] | str) -> Rules:
    """Make rules: for each table its columns, or the reason to empty it."""
    return Rules.model_validate(
        {
            "tables": {
                name: {"truncate": how} if isinstance(how, str) else {"columns": how}
                for name, how in tables.items()
            }
        }
    )


def fake(kind: str) -> dict[str, str]:
    """Make the rule of a column with fakes."""
    return {"how": "fake", "kind": kind}


class Copy:
    """A copy of a database, as it is after a restore.

    Attributes:
        database: The database.
    """

    def __init__(self, database: PreparedDatabase) -> None:
        self.database = database

    def connect(self, user: str = "boss") -> connection:
        """Connect, as the owner unless another user is named."""
        return self.database.server.connect(self.database.name, user=user, password=PASSWORD)

    def execute(self, *statements: str, user: str = "boss") -> list[tuple[Any, ...]]:
        """Run statements and return the last one's rows."""
        with closing(self.connect(user)) as opened, opened, opened.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def column(self, query: str) -> list[Any]:
        """Return the first column of a query's rows."""
        return [row[0] for row in self.execute(query)]

    def scrub(self, rules: Rules, **options: Any) -> None:
        """Scrub and prove, by two connections."""
        with closing(self.connect()) as one, closing(self.connect()) as other:
            run(one, other, rules=rules, **options)
            prove(one, other, rules=rules)


@pytest.fixture
def copy(empty_database: PreparedDatabase) -> Copy:
    """A database of the owner's own, with nothing in it."""
    return Copy(empty_database)


@pytest.fixture
def staging(empty_database: PreparedDatabase) -> Iterator[Copy]:
    """The service's schema with its roles, as a snapshot of staging has them."""
    prepare(empty_database.prepare)
    with migration_engine(empty_database.migrator).connect() as opened:
        migrate(opened)
    return Copy(empty_database)
