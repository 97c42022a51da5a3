"""What a preview gets, and what it can't do with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from pydantic import SecretStr

from database.branches import handing, names, registry
from database.branches.errors import BusyError, FullError, LostError
from database.branches.handing import Claim, Limits
from database.branches.registry import Kind, Session
from tests.database.branches.conftest import LIMITS, ROWS, Shared

NewClaim = Callable[..., Claim]


def app_asks(shared: Shared, claim: Claim, database: str, statement: str) -> list[tuple[object]]:
    return shared.ask(
        database,
        statement,
        user=claim.names.app,
        password=claim.app_password.get_secret_value(),
    )


def test_a_claim_gets_all_rows_of_the_template(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    assert handing.ensure(session, claim, LIMITS)
    assert app_asks(shared, claim, claim.names.database, "SELECT count(*) FROM customers") == [
        (ROWS,)
    ]


def test_the_migrator_owns_the_schema_and_the_app_does_not(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    alter = "ALTER TABLE customers ADD COLUMN more int"
    with pytest.raises(InsufficientPrivilege):
        app_asks(shared, claim, claim.names.database, alter)
    shared.ask(
        claim.names.database,
        alter,
        user=claim.names.migrator,
        password=claim.migrator_password.get_secret_value(),
    )


def test_roles_get_the_passwords_that_the_secrets_have_now(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    app_asks(shared, claim, claim.names.database, "DELETE FROM customers")
    assert not handing.give_logins(session, claim)
    number = int(claim.names.namespace.removeprefix("pr-"))
    anew = new_claim(number, migrator_password=SecretStr("m-anew"), app_password=SecretStr("anew"))
    assert not handing.ensure(session, anew, LIMITS)
    assert handing.give_logins(session, anew)
    assert not handing.give_logins(session, anew)
    for role, password in anew.passwords.items():
        login = {"user": role, "password": password.get_secret_value()}
        # The database is the one from before.
        assert shared.ask(anew.names.database, "SELECT count(*) FROM customers", **login) == [(0,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        app_asks(shared, claim, claim.names.database, "SELECT 1")


def test_a_registry_that_does_not_know_the_logins_learns_them(
    session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    session.execute("ALTER TABLE database DROP COLUMN logins")
    registry.install(session.master)
    assert handing.give_logins(session, claim)
    assert not handing.give_logins(session, claim)


def test_asking_again_changes_nothing(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    app_asks(shared, claim, claim.names.database, "DELETE FROM customers")
    before = shared.databases()
    assert not handing.ensure(session, claim, LIMITS)
    assert shared.databases() == before
    assert app_asks(shared, claim, claim.names.database, "SELECT count(*) FROM customers") == [(0,)]


@pytest.mark.parametrize(
    ("change", "why"),
    [({"reset": "2"}, "a reset"), ({"uid": "another"}, "a namespace that was made anew")],
)
def test_a_fresh_clone_takes_the_place_of_one_in_use(
    shared: Shared, session: Session, new_claim: NewClaim, change: dict[str, str], why: str
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    number = int(claim.names.namespace.removeprefix("pr-"))
    user, password = claim.names.app, claim.app_password.get_secret_value()
    before = shared.databases()
    with closing(shared.server.connect(claim.names.database, user=user, password=password)) as busy:
        with busy, busy.cursor() as cursor:
            cursor.execute("DELETE FROM customers")
        assert handing.ensure(session, new_claim(number, **change), LIMITS), why
        with pytest.raises(psycopg2.OperationalError), busy.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert app_asks(shared, claim, claim.names.database, "SELECT count(*) FROM customers") == [
        (ROWS,)
    ]
    assert shared.databases() == before


def test_nobody_else_gets_in(shared: Shared, session: Session, new_claim: NewClaim) -> None:
    """The table of who may connect where: each to its own, and to nothing else."""
    one, other = new_claim(), new_claim()
    for claim in (one, other):
        handing.ensure(session, claim, LIMITS)
    logins = {
        (claim.names.database, role): password.get_secret_value()
        for claim in (one, other)
        for role, password in (
            (claim.names.app, claim.app_password),
            (claim.names.migrator, claim.migrator_password),
        )
    }
    everywhere = shared.databases()
    assert {"postgres", "template0", "template1", names.REGISTRY, names.TEMPLATE} < everywhere
    for (own, role), password in logins.items():
        entered = set()
        for database in everywhere:
            if _may_enter(shared, database, role, password):
                entered.add(database)
        assert entered == {own}


def _may_enter(shared: Shared, database: str, role: str, password: str) -> bool:
    try:
        shared.ask(database, "SELECT 1", user=role, password=password)
    except psycopg2.OperationalError as error:
        refusals = ("permission denied for database", "not currently accepting connections")
        if not any(refusal in str(error) for refusal in refusals):
            raise
        return False
    return True


def test_no_role_acts_as_another_or_makes_anything_of_its_own(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    one, other = new_claim(), new_claim()
    for claim in (one, other):
        handing.ensure(session, claim, LIMITS)
    for statement in (
        f"SET ROLE {other.names.migrator}",
        "SET ROLE service_migrator",
        "CREATE DATABASE mine",
        f"CREATE DATABASE mine TEMPLATE {names.TEMPLATE}",
        "CREATE ROLE mine",
        f"ALTER ROLE {one.names.migrator} CONNECTION LIMIT -1",
        f"ALTER DATABASE {other.names.database} RENAME TO mine",
    ):
        with (
            closing(
                shared.server.connect(
                    one.names.database,
                    user=one.names.migrator,
                    password=one.migrator_password.get_secret_value(),
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            connection.autocommit = True
            with pytest.raises(psycopg2.Error, match=r"permission denied|must be owner"):
                cursor.execute(statement)


def test_a_role_has_no_more_connections_than_its_limit(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    opened = [
        shared.server.connect(
            claim.names.database,
            user=claim.names.app,
            password=claim.app_password.get_secret_value(),
        )
        for _ in range(LIMITS.app)
    ]
    try:
        with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
            app_asks(shared, claim, claim.names.database, "SELECT 1")
    finally:
        for connection in opened:
            connection.close()


def test_a_server_without_connections_for_one_more_says_so(
    session: Session, new_claim: NewClaim
) -> None:
    held = sum(entry.kind is Kind.BRANCH for entry in session.entries())
    room = handing.capacity(session, LIMITS)
    # As many for the platform as leaves room for what is there and no other.
    tight = Limits(LIMITS.app, LIMITS.migrator, LIMITS.platform + (room - held) * LIMITS.preview)
    with pytest.raises(FullError, match=rf"for {held} previews .* and holds {held}"):
        handing.ensure(session, new_claim(), tight)


def test_a_database_that_somebody_dropped_is_not_made_up_again(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    shared.server.execute(f"DROP DATABASE {claim.names.database}")
    with pytest.raises(LostError, match="previews reset-db"):
        handing.ensure(session, claim, LIMITS)
    number = int(claim.names.namespace.removeprefix("pr-"))
    assert handing.ensure(session, new_claim(number, reset="again"), LIMITS)


def test_nothing_is_left_of_a_preview(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    databases, roles = shared.databases(), shared.roles()
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    assert shared.databases() - databases == {claim.names.database}
    handing.remove(session, claim.names)
    handing.remove(session, claim.names)
    assert (shared.databases(), shared.roles()) == (databases, roles)
    assert session.branch(claim.names.namespace) is None


def test_passwords_are_never_in_the_servers_log(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    shared.server.execute("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    try:
        handing.ensure(session, new_claim(app_password=SecretStr("seen-in-no-log")), LIMITS)
    finally:
        shared.server.execute("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    log = (shared.server.folder / "log").read_text()
    assert "CREATE DATABASE" in log
    assert "seen-in-no-log" not in log


def test_one_works_on_a_server_at_a_time(shared: Shared, session: Session) -> None:
    with (
        pytest.raises(BusyError, match="another clone is being made"),
        registry.session(shared.master),
    ):
        pytest.fail("two had the lock")
