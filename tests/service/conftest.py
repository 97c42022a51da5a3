"""A real PostgreSQL for each worker, migrated once, and a rollback after each test."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from database.access import grant_access
from database.settings import AccessSettings
from service.app import create_app
from service.database import Database
from service.database.migration import migration_engine
from service.migrate import migrate
from service.settings import (
    BuildInformation,
    DatabaseSettings,
    MigrationSettings,
    Settings,
)
from tests.service.postgres import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

PASSWORD = "only-for-tests"


@pytest.fixture(scope="session", autouse=True)
def _no_environment() -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("DATABASE_", "APP_", "OTEL_")):
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
class PreparedDatabase:
    """A database with its roles.

    Attributes:
        server: Where it is.
        name: The database.
    """

    server: Server
    name: str

    @property
    def address(self) -> dict[str, object]:
        """What all settings of it share."""
        return {"host": self.server.address, "name": self.name, "sslmode": "disable"}

    @property
    def access(self) -> AccessSettings:
        """As master."""
        return AccessSettings(
            **self.address,
            master_user="boss",
            master_password=PASSWORD,
            migrator_user="migrator",
            migrator_password=PASSWORD,
            app_user="app",
            app_password=PASSWORD,
        )

    def prepare(self) -> None:
        """Create the roles, as the platform does before it runs any code of the service."""
        grant_access(self.access, lambda _: None)

    @property
    def migrator(self) -> MigrationSettings:
        """As the role that migrates."""
        return MigrationSettings(**self.address, user="migrator", password=PASSWORD)

    def app(self, **values: object) -> DatabaseSettings:
        """Return the application's settings, with the overrides in ``values``."""
        return DatabaseSettings(**self.address, user="app", password=PASSWORD, **values)

    def environment(self, user: str = "app") -> dict[str, str]:
        """For a process of its own."""
        return {
            "DATABASE_HOST": self.server.address,
            "DATABASE_NAME": self.name,
            "DATABASE_SSLMODE": "disable",
            "DATABASE_USER": user,
            "DATABASE_PASSWORD": PASSWORD,
        }


@pytest.fixture
def empty_database(server: Server, request: pytest.FixtureRequest) -> Iterator[PreparedDatabase]:
    """A database that nothing was done to."""
    name = f"empty_{abs(hash(request.node.nodeid)) % 10**9}"
    server.execute(f"CREATE DATABASE {name} OWNER boss")
    try:
        yield PreparedDatabase(server, name)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated(server: Server) -> PreparedDatabase:
    """The database that tests share: prepared and migrated, and left without rows."""
    server.execute("CREATE DATABASE shared OWNER boss")
    database = PreparedDatabase(server, "shared")
    database.prepare()
    with migration_engine(database.migrator).connect() as connection:
        migrate(connection)
    return database


class RolledBackDatabase(Database):
    """Every transaction is a savepoint of one that is never committed."""

    def __init__(self, settings: DatabaseSettings) -> None:
        super().__init__(settings)
        self._engine = self.engine
        self.connection: Connection = self._engine.connect()
        self._outer = self.connection.begin()
        # SQLAlchemy's session then works in savepoints (join_transaction_mode).
        self.connection.begin_nested()
        self.engine = self.connection  # type: ignore[assignment]

    def reading(self) -> AbstractContextManager[Connection]:
        return nullcontext(self.connection)

    def close(self) -> None:
        self._outer.rollback()
        self.connection.close()
        self.engine = self._engine
        super().close()


@pytest.fixture
def settings() -> Settings:
    """How the application under test serves; overridden by tests that are about it."""
    return Settings()


@pytest.fixture
def app(migrated: PreparedDatabase, settings: Settings) -> FastAPI:
    """The application on the shared database, with every change rolled back."""
    return create_app(
        settings,
        migrated.app(pool_size=1),
        BuildInformation(commit="c0ffee", pull_request=42, snapshot="rds:staging-1"),
        connect=RolledBackDatabase,
    )


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Calls the application in this process."""
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client
