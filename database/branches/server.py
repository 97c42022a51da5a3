"""Connections to a shared server as its master user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
from pydantic import SecretStr

from database.branches.errors import NotReadyError
from database.connection import connect
from database.settings import DatabaseLogin

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

_APPLICATION = "database-branches"
# A statement that waits longer for a lock is cancelled and retried by the next pass.
_LOCK_SECONDS = 20


@dataclass(frozen=True)
class Master:
    """The master user of one server.

    Attributes:
        host: The server's address.
        user: The master user.
        password: Its password.
        port: TCP port.
        sslmode: libpq's ``sslmode``.
    """

    host: str
    user: str
    password: SecretStr
    port: int = 5432
    sslmode: str = "verify-full"

    @contextmanager
    def connect(self, database: str) -> Iterator[Connection]:
        """Open a connection in autocommit mode, and close it at the end.

        Statements have no timeout, since copying a database takes long; a dead peer is detected
        by the connection itself.

        Raises:
            NotReadyError: The server can't be reached, or refuses the login.
        """
        login = DatabaseLogin.model_validate(
            {
                "host": self.host,
                "port": self.port,
                "name": database,
                "user": self.user,
                "password": self.password,
                "sslmode": self.sslmode,
                "statement_timeout_seconds": 0,
                "lock_timeout_seconds": _LOCK_SECONDS,
            }
        )
        try:
            opened = connect(login, application=_APPLICATION)
        except psycopg2.OperationalError as error:
            raise NotReadyError(
                f"can't connect to server {self.host}: {' '.join(str(error).split())}. Check that"
                " it is running and that its security group admits the controller's pod."
                " The controller retries."
            ) from error
        opened.autocommit = True
        try:
            yield opened
        finally:
            opened.close()
