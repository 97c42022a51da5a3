"""Provisioning of a preview's database: create, replace by a fresh clone, remove.

A database with a preview's name is always complete: a clone is prepared under another name, and
renamed in the transaction that records its assignment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from database.access import grant_access
from database.branches import clones, names
from database.branches.errors import DatabaseMissingError, ServerFullError
from database.branches.registry import DatabaseKind
from database.output import reporter
from database.settings import AccessSettings

_REPORT = reporter("branches")

if TYPE_CHECKING:
    from database.branches.names import BranchNames
    from database.branches.registry import Session


@dataclass(frozen=True)
class ConnectionLimits:
    """The numbers of connections that are allowed or reserved.

    Attributes:
        app: For the service of one preview.
        migrator: For the migrations of one preview.
        platform: Reserved for the platform itself.
    """

    app: int = 12
    migrator: int = 3
    platform: int = 20

    @property
    def preview(self) -> int:
        """Connections of one preview."""
        return self.app + self.migrator


@dataclass(frozen=True)
class BranchRequest:
    """The request of one preview for a database.

    Attributes:
        names: Names of the database and its roles.
        uid: Distinguishes the request from a deleted one of the same name.
        reset: If it differs from the value that the database was created with, a fresh database
            is requested.
        migrator_password: Password of the role that owns the schema.
        app_password: Password of the service's role.
        extensions: Extensions of PostgreSQL that the app needs.
    """

    names: BranchNames
    uid: str
    reset: str
    migrator_password: SecretStr
    app_password: SecretStr
    extensions: tuple[str, ...] = ()

    @property
    def passwords(self) -> dict[str, SecretStr]:
        """Password by role."""
        return {
            self.names.migrator: self.migrator_password,
            self.names.app: self.app_password,
        }

    @property
    def logins(self) -> str:
        """A fingerprint of the passwords, which are too random to be guessed from it."""
        joined = "\n".join(password.get_secret_value() for password in self.passwords.values())
        return hashlib.sha256(joined.encode()).hexdigest()


def capacity(session: Session, limits: ConnectionLimits) -> int:
    """Return the number of previews that the server's connections suffice for."""
    ((most, reserved),) = session.query(
        "SELECT current_setting('max_connections')::int,"
        " current_setting('superuser_reserved_connections')::int"
        " + coalesce(current_setting('reserved_connections', true)::int, 0)"
    )
    return max(0, int(most) - int(reserved) - limits.platform) // limits.preview


def ensure(session: Session, request: BranchRequest, limits: ConnectionLimits) -> bool:
    """Provision the requested database, unless it exists.

    Returns:
        True if a database was created.

    Raises:
        ServerFullError: The server's connections don't suffice for one more preview.
        DatabaseMissingError: The database was provisioned, and dropped by someone else.
        ServerBusyError: The template, or the database to be replaced, is in use.
    """
    wanted = request.names
    entry = session.branch(wanted.namespace)
    if entry is not None and (entry.request_uid, entry.reset) == (request.uid, request.reset):
        if not entry.exists:
            raise DatabaseMissingError(
                f"database {wanted.database} was dropped by someone else. Create a fresh one with"
                f" `previews reset-db {wanted.namespace.removeprefix('pr-')}`."
            )
        return False
    if entry is None:
        _require_capacity(session, limits)
    clone = clones.take_spare(session) or clones.copy_template(session)
    clones.allow_connections(session, clone, allow=True)
    _prepare(session, clone, request, limits)
    clones.end_connections(session, clone)
    _put_in_place(session, clone, request)
    return True


def set_passwords(session: Session, request: BranchRequest) -> bool:
    """Set the passwords of an existing database's roles to those of the request.

    They differ from the recorded ones after the Secrets were created again, or if an older
    version of the registry did not record any.

    Returns:
        True if they differed.
    """
    entry = session.branch(request.names.namespace)
    if entry is None or entry.logins == request.logins:
        return False
    session.set_passwords(entry.name, request.passwords, request.logins)
    return True


def _require_capacity(session: Session, limits: ConnectionLimits) -> None:
    held = sum(entry.kind is DatabaseKind.BRANCH for entry in session.entries())
    most = capacity(session, limits)
    if held >= most:
        raise ServerFullError(
            f"server {session.master.host} has enough connections for {most} previews with"
            f" {limits.preview} each, and has {held} previews. Destroy one, or choose a larger"
            " instance (previews:branches.instanceClass of stack staging) and run"
            " `previews refresh`."
        )


def _prepare(
    session: Session, clone: str, request: BranchRequest, limits: ConnectionLimits
) -> None:
    """Set up roles, ownership and grants as the Job ``prepare`` does for a preview's instance."""
    master = session.master
    settings = AccessSettings.model_validate(
        {
            "host": master.host,
            "port": master.port,
            "name": clone,
            "sslmode": master.sslmode,
            "master_user": master.user,
            "master_password": master.password,
            "migrator_user": request.names.migrator,
            "migrator_password": request.migrator_password,
            "app_user": request.names.app,
            "app_password": request.app_password,
            "extensions": request.extensions,
        }
    )
    grant_access(settings, _REPORT)
    for role, most in ((request.names.migrator, limits.migrator), (request.names.app, limits.app)):
        session.execute(
            SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(Identifier(role), Literal(most))
        )


def _put_in_place(session: Session, clone: str, request: BranchRequest) -> None:
    """Rename the clone to the preview's database, replacing one of that name."""
    wanted = request.names
    replaced = next((e for e in session.entries() if e.name == wanted.database), None)
    retired = names.retired() if replaced is not None and replaced.exists else None
    if retired is not None:
        clones.allow_connections(session, wanted.database, allow=False)
        clones.end_connections(session, wanted.database)
    with session.transaction():
        if retired is not None:
            session.rename(wanted.database, retired, DatabaseKind.RETIRED)
        elif replaced is not None:
            session.remove_entry(wanted.database)
        session.rename(clone, wanted.database, DatabaseKind.PENDING)
        session.assign(
            wanted.database,
            namespace=wanted.namespace,
            request_uid=request.uid,
            reset=request.reset,
            logins=request.logins,
        )
    if retired is not None:
        clones.drop(session, retired)


def remove(session: Session, wanted: BranchNames) -> None:
    """Drop a preview's database and its roles; none of them has to exist."""
    roles = (wanted.app, wanted.migrator)
    entry = session.branch(wanted.namespace)
    if entry is not None:
        clones.drop(session, entry.name, roles)
    else:
        clones.drop_roles(session, roles)
