"""What was made on a server, written down on it: nothing else is ever dropped.

A database is written down before it is made and forgotten after it was dropped, so that a
kill at any moment leaves nothing that is not known. `session` holds the one lock of the
server; whoever has it may take what it finds unfinished for left behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from psycopg2.errors import DuplicateDatabase
from psycopg2.sql import SQL, Composable, Identifier

from database.branches.errors import BusyError
from database.branches.names import REGISTRY
from service.prepare import roles

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
    from pydantic import SecretStr

    from database.branches.server import Master

# Any number that nobody else locks in this database.
_LOCK = 0x6272616E

_TABLES = """
CREATE TABLE IF NOT EXISTS database (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('template', 'making', 'spare', 'branch', 'former')),
    namespace text UNIQUE,
    claim text,
    reset text,
    since timestamptz NOT NULL DEFAULT now(),
    logins text,
    CHECK ((kind = 'branch') = (namespace IS NOT NULL AND claim IS NOT NULL AND reset IS NOT NULL))
);
ALTER TABLE database ADD COLUMN IF NOT EXISTS logins text;
CREATE TABLE IF NOT EXISTS origin (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    snapshot text NOT NULL,
    scrubbed timestamptz
);
"""


class Kind(StrEnum):
    """What a database is for."""

    TEMPLATE = "template"
    MAKING = "making"
    SPARE = "spare"
    BRANCH = "branch"
    FORMER = "former"


@dataclass(frozen=True)
class Entry:
    """One database that was made here.

    Attributes:
        name: Its name.
        kind: What it is for.
        namespace: Whose it is, of a branch.
        claim: UID of the claim that it was handed to.
        reset: What the claim's reset said when it was made, empty for none.
        logins: Fingerprint of the passwords that the claim's roles were given.
        exists: Whether the server has it.
    """

    name: str
    kind: Kind
    namespace: str | None
    claim: str | None
    reset: str | None
    logins: str | None
    exists: bool


class Session:
    """The registry, with the server's lock held.

    Attributes:
        master: The server.
    """

    def __init__(self, master: Master, connection: Connection) -> None:
        self.master = master
        self._connection = connection

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed, and the lock with it."""
        return self._connection.closed != 0

    def execute(self, statement: str | Composable, *parameters: object) -> None:
        """Run one statement on its own: databases are not made in a transaction."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)

    def query(self, statement: str | Composable, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing. A rename may be part of it."""
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def entries(self) -> list[Entry]:
        """All that was made here, by name."""
        rows = self.query(
            "SELECT name, kind, namespace, claim, reset, logins, datname IS NOT NULL"
            " FROM database LEFT JOIN pg_database ON datname = name ORDER BY name"
        )
        return [Entry(row[0], Kind(row[1]), *row[2:]) for row in rows]

    def branch(self, namespace: str) -> Entry | None:
        """The database of a namespace."""
        return next((entry for entry in self.entries() if entry.namespace == namespace), None)

    def note(self, name: str, kind: Kind) -> None:
        """Write down a database that is about to be made, or what it is from now on."""
        self.execute(
            "INSERT INTO database (name, kind) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE"
            " SET kind = excluded.kind, namespace = NULL, claim = NULL, reset = NULL,"
            " logins = NULL",
            name,
            kind.value,
        )

    def renamed(self, old: str, new: str, kind: Kind) -> None:
        """Rename a database and write it down; part of a transaction."""
        self.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new)))
        self.execute("DELETE FROM database WHERE name = %s", old)
        self.note(new, kind)

    def hand(self, name: str, *, namespace: str, claim: str, reset: str, logins: str) -> None:
        """Write down whose a database is from now on."""
        self.execute(
            "UPDATE database SET kind = 'branch', namespace = %s, claim = %s, reset = %s,"
            " logins = %s, since = now() WHERE name = %s",
            namespace,
            claim,
            reset,
            logins,
            name,
        )

    def give_logins(self, name: str, passwords: Mapping[str, SecretStr], logins: str) -> None:
        """Give a database's roles their passwords and write it down; all of it or nothing."""
        with self.transaction():
            with self._connection.cursor() as cursor:
                for role, password in passwords.items():
                    roles.ensure(cursor, role, password)
            self.execute("UPDATE database SET logins = %s WHERE name = %s", logins, name)

    def forget(self, name: str) -> None:
        """Strike a database that was dropped."""
        self.execute("DELETE FROM database WHERE name = %s", name)


def install(master: Master) -> None:
    """Make the registry; one that is there stays as it is."""
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
    """Bring a registry that an older version made up to date; one that is so stays as it is."""
    session.execute(_TABLES)


@contextmanager
def session(master: Master) -> Iterator[Session]:
    """The registry of a server, with the server's lock until the end.

    The lock is the connection's: it ends with a killed process, but not before the server has
    finished the statement that the process had begun.

    Raises:
        BusyError: Somebody else holds the lock.
        NotReadyError: The server can't be reached, or has no registry.
    """
    with master.connect(REGISTRY) as connection:
        held = Session(master, connection)
        ((locked,),) = held.query("SELECT pg_try_advisory_lock(%s)", _LOCK)
        if not locked:
            raise BusyError(
                f"server {master.host}: another clone is being made; it is tried again."
            )
        try:
            yield held
        finally:
            # A server notices that a connection was closed a moment later.
            if not held.is_lost:
                held.query("SELECT pg_advisory_unlock(%s)", _LOCK)
