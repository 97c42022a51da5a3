"""A shared server for each worker, with a template made from data like a snapshot's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from database.branches import clones, provisioning, registry, template
from database.branches.names import BranchNames
from database.branches.provisioning import BranchRequest, ConnectionLimits
from database.branches.registry import Session
from database.branches.server import Master
from database.branches.template import RestoredServer
from tests.service.postgres import Server

PASSWORD = "only-for-tests"
LIMITS = ConnectionLimits(app=4, migrator=2, platform=10)
ROWS = 500
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Shared:
    """A server as RDS restores one: staging's data, staging's roles, a master that is no superuser.

    Attributes:
        server: The process.
        master: Its master user.
    """

    server: Server
    master: Master

    @classmethod
    def create(cls) -> Shared:
        server = Server.create()
        server.execute(
            f"CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'"
            " IN ROLE pg_monitor, pg_signal_backend",
            "ALTER DATABASE postgres OWNER TO boss",
            "ALTER DATABASE template1 OWNER TO boss",
        )
        shared = cls(server, Master(server.address, "boss", SecretStr(PASSWORD), sslmode="disable"))
        shared.restore()
        return shared

    def restore(self) -> None:
        """Create the roles and data that a snapshot contains."""
        with self.master.connect("postgres") as connection, connection.cursor() as cursor:
            for role in ("service_migrator", "service_app"):
                cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
            cursor.execute("GRANT service_migrator TO boss WITH INHERIT TRUE, SET TRUE")
            cursor.execute("CREATE DATABASE service")
        with self.master.connect("service") as connection, connection.cursor() as cursor:
            cursor.execute("GRANT USAGE, CREATE ON SCHEMA public TO service_migrator")
            cursor.execute("SET ROLE service_migrator")
            cursor.execute("CREATE TABLE customers (id int PRIMARY KEY, email text)")
            cursor.execute(
                "INSERT INTO customers SELECT n, n || '@real.test' FROM generate_series(1, %s) n",
                (ROWS,),
            )
            cursor.execute("GRANT SELECT ON customers TO service_app")

    @property
    def restored(self) -> RestoredServer:
        return RestoredServer(self.master, "service", "rds:staging-2030-01-31-03-05")

    def scrub(self) -> None:
        with self.master.connect("service") as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE customers SET email = id || '@example.com'")

    def ask(
        self, database: str, statement: str, *, user: str = "boss", password: str = PASSWORD
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement, as any user."""
        with (
            closing(self.server.connect(database, user=user, password=password)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def databases(self) -> set[str]:
        return {name for (name,) in self.ask("postgres", "SELECT datname FROM pg_database")}

    def roles(self) -> set[str]:
        rows = self.ask("postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pr\\_%'")
        return {name for (name,) in rows}


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """A server with its template."""
    made = Shared.create()
    try:
        template.make(made.restored, made.scrub, lambda _: None)
        yield made
    finally:
        made.server.remove()


@pytest.fixture
def fresh() -> Iterator[Shared]:
    """A server that was just restored."""
    made = Shared.create()
    try:
        yield made
    finally:
        made.server.remove()


@pytest.fixture
def session(shared: Shared) -> Iterator[Session]:
    with registry.session(shared.master) as held:
        yield held


@pytest.fixture
def new_request(session: Session) -> Iterator[Callable[..., BranchRequest]]:
    """Requests of namespaces of their own, whose databases are dropped after the test."""
    made: set[BranchNames] = set()

    def make(number: int | None = None, **values: Any) -> BranchRequest:
        names = BranchNames.of(f"pr-{number or next(_NUMBERS)}")
        assert names is not None
        made.add(names)
        values = {
            "names": names,
            "uid": f"uid-of-{names.namespace}",
            "reset": "",
            "migrator_password": SecretStr(f"{names.migrator}-password"),
            "app_password": SecretStr(f"{names.app}-password"),
            **values,
        }
        return BranchRequest(**values)

    yield make
    clones.drop_unfinished(session)
    for names in made:
        provisioning.remove(session, names)
