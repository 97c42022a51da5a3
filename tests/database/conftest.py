"""A PostgreSQL for each worker, and databases in it as they are after a restore."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg2.extensions import connection

from database.access import grant_access
from database.scrub import Rules, prove, run
from database.settings import AccessSettings
from tests.service.postgres import Server

PASSWORD = "only-for-tests"
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


@pytest.fixture(scope="session", autouse=True)
def _no_environment() -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("DATABASE_", "PREPARE_", "SCRUB_", "BRANCHES_")):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """This worker's PostgreSQL, with a master that is not a superuser, as on RDS."""
    server = Server.create()
    try:
        server.execute(f"CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.remove()


@dataclass(frozen=True)
class Copy:
    """A copy of a database, as it is after a restore.

    Attributes:
        server: Where it is.
        name: The database.
    """

    server: Server
    name: str

    @property
    def access(self) -> AccessSettings:
        """The master, and the roles that it creates."""
        return AccessSettings(
            host=self.server.address,
            name=self.name,
            sslmode="disable",
            master_user="boss",
            master_password=PASSWORD,
            migrator_user="migrator",
            migrator_password=PASSWORD,
            app_user="app",
            app_password=PASSWORD,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a Job that prepares it."""
        return {
            "DATABASE_HOST": self.server.address,
            "DATABASE_NAME": self.name,
            "DATABASE_SSLMODE": "disable",
            "DATABASE_MASTER_USER": "boss",
            "DATABASE_MASTER_PASSWORD": PASSWORD,
            "DATABASE_MIGRATOR_USER": "migrator",
            "DATABASE_MIGRATOR_PASSWORD": PASSWORD,
            "DATABASE_APP_USER": "app",
            "DATABASE_APP_PASSWORD": PASSWORD,
        }

    def grant(self, **values: object) -> None:
        """Create the roles, with overrides of the settings."""
        grant_access(self.access.model_copy(update=values), lambda _: None)

    def connect(self, user: str = "boss", password: str = PASSWORD) -> connection:
        """Connect, as the owner unless another user is named."""
        return self.server.connect(self.name, user=user, password=password)

    def execute(
        self, *statements: str, user: str = "boss", password: str = PASSWORD
    ) -> list[tuple[Any, ...]]:
        """Run statements in one transaction, and return the last one's rows."""
        with closing(self.connect(user, password)) as opened, opened, opened.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def column(self, query: str) -> list[Any]:
        """Return the first column of a query's rows."""
        return [row[0] for row in self.execute(query)]

    def scrub(self, rules: Rules) -> None:
        """Scrub and prove, by two connections."""
        with closing(self.connect()) as one, closing(self.connect()) as other:
            run(one, other, rules=rules)
            prove(one, other, rules=rules)


@pytest.fixture
def copy(server: Server, request: pytest.FixtureRequest) -> Iterator[Copy]:
    """A database of the owner's own, with nothing in it."""
    name = f"empty_{abs(hash(request.node.nodeid)) % 10**9}"
    server.execute(f"CREATE DATABASE {name} OWNER boss")
    try:
        yield Copy(server, name)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


MEMBERS = rules(
    members={"id": KEEP, "name": fake("person"), "email": fake("email"), "notes": fake("text")},
    tokens="tokens of those who were logged in",
)
"""The rules of `staging`."""


@pytest.fixture
def staging(copy: Copy) -> Copy:
    """An app's tables, made by its migrator, with its roles: as a snapshot of staging has them."""
    copy.grant()
    copy.execute(
        "CREATE TABLE members (id int PRIMARY KEY, name text NOT NULL, email text, notes text)",
        "CREATE TABLE tokens (token text)",
        "INSERT INTO members VALUES (1, 'Ada Lovelace', 'ada@lovelace.dev', 'Bearer of the title')",
        "INSERT INTO tokens VALUES ('a-token-of-somebody')",
        user="migrator",
    )
    return copy
