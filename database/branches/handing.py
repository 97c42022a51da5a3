"""A preview's database: made, handed over, replaced by a fresh one, dropped.

Whatever is called by a preview's name is whole: a clone is made ready under another name and
renamed in the same transaction in which it is written down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from database.branches import copying, names
from database.branches.errors import FullError, LostError
from database.branches.registry import Kind
from service.prepare.__main__ import prepare
from service.settings import PrepareSettings

if TYPE_CHECKING:
    from database.branches.names import BranchNames
    from database.branches.registry import Session


@dataclass(frozen=True)
class Limits:
    """How many connections there may be.

    Attributes:
        app: Of one preview's service.
        migrator: Of one preview's migrations.
        platform: What is left for the platform itself.
    """

    app: int = 12
    migrator: int = 3
    platform: int = 20

    @property
    def preview(self) -> int:
        """Of one preview."""
        return self.app + self.migrator


@dataclass(frozen=True)
class Claim:
    """Who asks for a database.

    Attributes:
        names: What it is called.
        uid: Tells a claim from a former one of the same name.
        reset: Another value than the database was made with asks for a fresh one.
        migrator_password: Of the role that owns the schema.
        app_password: Of the service's role.
    """

    names: BranchNames
    uid: str
    reset: str
    migrator_password: SecretStr
    app_password: SecretStr

    @property
    def passwords(self) -> dict[str, SecretStr]:
        """The password of each role."""
        return {
            self.names.migrator: self.migrator_password,
            self.names.app: self.app_password,
        }

    @property
    def logins(self) -> str:
        """A fingerprint of the passwords, which are too random to be guessed from it."""
        known = "\n".join(password.get_secret_value() for password in self.passwords.values())
        return hashlib.sha256(known.encode()).hexdigest()


def capacity(session: Session, limits: Limits) -> int:
    """How many previews the server has connections for."""
    ((most, reserved),) = session.query(
        "SELECT current_setting('max_connections')::int,"
        " current_setting('superuser_reserved_connections')::int"
        " + coalesce(current_setting('reserved_connections', true)::int, 0)"
    )
    return max(0, int(most) - int(reserved) - limits.platform) // limits.preview


def ensure(session: Session, claim: Claim, limits: Limits) -> bool:
    """Give a claim its database, unless it has it.

    Returns:
        Whether another one was made for it.

    Raises:
        FullError: The server has no connections for one more.
        LostError: It had one, which somebody dropped.
        BusyError: The template, or the database to be replaced, is in use.
    """
    wanted = claim.names
    entry = session.branch(wanted.namespace)
    if entry is not None and (entry.claim, entry.reset) == (claim.uid, claim.reset):
        if not entry.exists:
            raise LostError(
                f"database {wanted.database} was dropped by somebody. A fresh clone takes its"
                f" place with `previews reset-db {wanted.namespace.removeprefix('pr-')}`."
            )
        return False
    if entry is None:
        _require_room(session, limits)
    made = _take_spare(session) or copying.copy_template(session)
    copying.allow_connections(session, made, allow=True)
    _prepare(session, made, claim, limits)
    copying.end_connections(session, made)
    _put_in_place(session, made, claim)
    return True


def give_logins(session: Session, claim: Claim) -> bool:
    """Give the roles of a database that is there the passwords that the claim brings.

    They differ from those given before when the Secrets were made anew, or when a registry
    does not know which were given.

    Returns:
        Whether they differed.
    """
    entry = session.branch(claim.names.namespace)
    if entry is None or entry.logins == claim.logins:
        return False
    session.give_logins(entry.name, claim.passwords, claim.logins)
    return True


def _require_room(session: Session, limits: Limits) -> None:
    held = sum(entry.kind is Kind.BRANCH for entry in session.entries())
    room = capacity(session, limits)
    if held >= room:
        raise FullError(
            f"server {session.master.host} has connections for {room} previews of"
            f" {limits.preview} each, and holds {held}. Destroy one, or refresh to a larger"
            " instance (previews:branches.instanceClass of stack staging)."
        )


def _take_spare(session: Session) -> str | None:
    """A clone made ahead, renamed; what is renamed is again what a kill leaves unfinished."""
    spare = next((e.name for e in session.entries() if e.kind is Kind.SPARE and e.exists), None)
    if spare is None:
        return None
    made = names.making()
    with session.transaction():
        session.renamed(spare, made, Kind.MAKING)
    return made


def _prepare(session: Session, made: str, claim: Claim, limits: Limits) -> None:
    """Roles, ownership, grants and their proof: what an instance of one's own gets by its Job."""
    master = session.master
    prepare(
        PrepareSettings.model_validate(
            {
                "host": master.host,
                "port": master.port,
                "name": made,
                "sslmode": master.sslmode,
                "master_user": master.user,
                "master_password": master.password,
                "migrator_user": claim.names.migrator,
                "migrator_password": claim.migrator_password,
                "app_user": claim.names.app,
                "app_password": claim.app_password,
            }
        )
    )
    for role, most in ((claim.names.migrator, limits.migrator), (claim.names.app, limits.app)):
        session.execute(
            SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(Identifier(role), Literal(most))
        )


def _put_in_place(session: Session, made: str, claim: Claim) -> None:
    """Give the clone its name, in place of the database that had it."""
    wanted = claim.names
    displaced = next((e for e in session.entries() if e.name == wanted.database), None)
    former = names.former() if displaced is not None and displaced.exists else None
    if former is not None:
        copying.allow_connections(session, wanted.database, allow=False)
        copying.end_connections(session, wanted.database)
    with session.transaction():
        if former is not None:
            session.renamed(wanted.database, former, Kind.FORMER)
        elif displaced is not None:
            session.forget(wanted.database)
        session.renamed(made, wanted.database, Kind.MAKING)
        session.hand(
            wanted.database,
            namespace=wanted.namespace,
            claim=claim.uid,
            reset=claim.reset,
            logins=claim.logins,
        )
    if former is not None:
        copying.drop(session, former)


def remove(session: Session, wanted: BranchNames) -> None:
    """Drop a preview's database and its roles; what is gone already is no error."""
    roles = (wanted.app, wanted.migrator)
    entry = session.branch(wanted.namespace)
    if entry is not None:
        copying.drop(session, entry.name, roles)
    else:
        copying.drop_roles(session, roles)
