"""The record of the databases that were created on a server; nothing else is ever dropped.

A database is recorded before it is created and its entry removed after it was dropped, so that
a kill at any moment leaves nothing unrecorded. `session` holds the server's only lock, so
unfinished databases that its holder finds were left by a killed run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from psycopg2.errors import DuplicateDatabase
from psycopg2.sql import SQL, Composable, Identifier

from database.access import roles
from database.branches.errors import ServerBusyError
from database.branches.names import REGISTRY

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
    from pydantic import SecretStr

    from database.branches.server import Master

# Any number that nobody else locks in this database.
_LOCK = 0x6272616E

_TABLES = """
CREATE TABLE IF NOT EXISTS database (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('template', 'pending', 'spare', 'branch', 'retired')),
    namespace text UNIQUE,
    request_uid text,
    reset text,
    since timestamptz NOT NULL DEFAULT now(),
    logins text,
    CHECK ((kind = 'branch')
           = (namespace IS NOT NULL AND request_uid IS NOT NULL AND reset IS NOT NULL))
);
ALTER TABLE database ADD COLUMN IF NOT EXISTS logins text;
CREATE TABLE IF NOT EXISTS origin (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    snapshot text NOT NULL,
    scrubbed timestamptz
);
-- Names of an earlier version.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'database'::regclass AND attname = 'claim') THEN
        ALTER TABLE database RENAME COLUMN claim TO request_uid;
        ALTER TABLE database DROP CONSTRAINT database_kind_check;
        UPDATE database SET kind = CASE kind WHEN 'making' THEN 'pending'
                                             WHEN 'former' THEN 'retired' ELSE kind END;
        ALTER TABLE database ADD CONSTRAINT database_kind_check
            CHECK (kind IN ('template', 'pending', 'spare', 'branch', 'retired'));
    END IF;
END $$;
"""


class DatabaseKind(StrEnum):
    """Purpose of a recorded database."""

    TEMPLATE = "template"
    """The scrubbed database that clones are copied from."""

    PENDING = "pending"
    """A clone that is being prepared."""

    SPARE = "spare"
    """A clone made in advance, not assigned yet."""

    BRANCH = "branch"
    """The database of a preview."""

    RETIRED = "retired"
    """A preview's database that was replaced, about to be dropped."""


@dataclass(frozen=True)
class Entry:
    """The record of one database.

    Attributes:
        name: Its name.
        kind: Its purpose.
        namespace: The preview's namespace, for a branch.
        request_uid: UID of the ``DatabaseBranch`` that it was provisioned for.
        reset: Value of the request's annotation at that time, empty for none.
        logins: Fingerprint of the passwords that its roles have.
        exists: True if the server has the database.
    """

    name: str
    kind: DatabaseKind
    namespace: str | None
    request_uid: str | None
    reset: str | None
    logins: str | None
    exists: bool


class Session:
    """The registry of a server, with the server's lock held.

    Attributes:
        master: The server.
    """

    def __init__(self, master: Master, connection: Connection) -> None:
        self.master = master
        self._connection = connection

    @property
    def is_lost(self) -> bool:
        """True if the connection is closed, which releases the lock."""
        return self._connection.closed != 0

    def execute(self, statement: str | Composable, *parameters: object) -> None:
        """Run one statement by itself: databases can't be created in a transaction."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)

    def query(self, statement: str | Composable, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run everything inside in one transaction; renaming a database may be part of it."""
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def entries(self) -> list[Entry]:
        """Return all entries, ordered by name."""
        rows = self.query(
            "SELECT name, kind, namespace, request_uid, reset, logins, datname IS NOT NULL"
            " FROM database LEFT JOIN pg_database ON datname = name ORDER BY name"
        )
        return [Entry(row[0], DatabaseKind(row[1]), *row[2:]) for row in rows]

    def branch(self, namespace: str) -> Entry | None:
        """Return the entry of a namespace's database."""
        return next((entry for entry in self.entries() if entry.namespace == namespace), None)

    def record(self, name: str, kind: DatabaseKind) -> None:
        """Record a database that is about to be created, or change its kind."""
        self.execute(
            "INSERT INTO database (name, kind) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE"
            " SET kind = excluded.kind, namespace = NULL, request_uid = NULL, reset = NULL,"
            " logins = NULL",
            name,
            kind.value,
        )

    def rename(self, old: str, new: str, kind: DatabaseKind) -> None:
        """Rename a database and record its kind; part of a transaction."""
        self.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new)))
        self.execute("DELETE FROM database WHERE name = %s", old)
        self.record(new, kind)

    def assign(
        self, name: str, *, namespace: str, request_uid: str, reset: str, logins: str
    ) -> None:
        """Record that a database is a preview's from now on."""
        self.execute(
            "UPDATE database SET kind = 'branch', namespace = %s, request_uid = %s, reset = %s,"
            " logins = %s, since = now() WHERE name = %s",
            namespace,
            request_uid,
            reset,
            logins,
            name,
        )

    def set_passwords(self, name: str, passwords: Mapping[str, SecretStr], logins: str) -> None:
        """Set the passwords of a database's roles and record their fingerprint, atomically."""
        with self.transaction():
            with self._connection.cursor() as cursor:
                for role, password in passwords.items():
                    roles.ensure(cursor, role, password)
            self.execute("UPDATE database SET logins = %s WHERE name = %s", logins, name)

    def remove_entry(self, name: str) -> None:
        """Remove the entry of a database that was dropped."""
        self.execute("DELETE FROM database WHERE name = %s", name)


def install(master: Master) -> None:
    """Create the registry, or upgrade the one that exists."""
    try:
        with master.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(SQL("CREATE DATABASE {}").format(Identifier(REGISTRY)))
    except DuplicateDatabase:
        pass
    with master.connect(REGISTRY) as connection, connection.cursor() as cursor:
        cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(REGISTRY)))
        cursor.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        cursor.execute(_TABLES)


def upgrade(session: Session) -> None:
    """Upgrade the tables of a registry that an older version created."""
    session.execute(_TABLES)


@contextmanager
def session(master: Master) -> Iterator[Session]:
    """Open the registry of a server, and hold the server's lock until the end.

    The lock belongs to the connection: it is released when the process is killed, but not
    before the server has finished the statement that is running.

    Raises:
        ServerBusyError: Another process holds the lock.
        NotReadyError: The server can't be reached, or has no registry.
    """
    with master.connect(REGISTRY) as connection:
        held = Session(master, connection)
        ((locked,),) = held.query("SELECT pg_try_advisory_lock(%s)", _LOCK)
        if not locked:
            raise ServerBusyError(
                f"server {master.host}: another clone is being made. The controller retries."
            )
        try:
            yield held
        finally:
            # A server notices only a moment later that a connection was closed.
            if not held.is_lost:
                held.query("SELECT pg_advisory_unlock(%s)", _LOCK)
