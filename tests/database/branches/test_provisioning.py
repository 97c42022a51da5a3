"""Databases of previews, and the privileges of their roles."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from pydantic import SecretStr

from database.branches import clones, names, provisioning, registry
from database.branches.errors import DatabaseMissingError, ServerBusyError, ServerFullError
from database.branches.provisioning import BranchRequest, ConnectionLimits
from database.branches.registry import DatabaseKind, Session
from tests.database.branches.conftest import LIMITS, ROWS, Shared

NewRequest = Callable[..., BranchRequest]


def app_asks(
    shared: Shared, request: BranchRequest, database: str, statement: str
) -> list[tuple[object]]:
    return shared.ask(
        database,
        statement,
        user=request.names.app,
        password=request.app_password.get_secret_value(),
    )


def test_a_request_gets_all_rows_of_the_template(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    assert provisioning.ensure(session, request, LIMITS)
    assert app_asks(shared, request, request.names.database, "SELECT count(*) FROM customers") == [
        (ROWS,)
    ]


def test_the_migrator_owns_the_schema_and_the_app_does_not(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    alter = "ALTER TABLE customers ADD COLUMN more int"
    with pytest.raises(InsufficientPrivilege):
        app_asks(shared, request, request.names.database, alter)
    shared.ask(
        request.names.database,
        alter,
        user=request.names.migrator,
        password=request.migrator_password.get_secret_value(),
    )


def test_roles_get_the_passwords_that_the_secrets_have_now(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    app_asks(shared, request, request.names.database, "DELETE FROM customers")
    assert not provisioning.set_passwords(session, request)
    number = int(request.names.namespace.removeprefix("pr-"))
    anew = new_request(
        number, migrator_password=SecretStr("m-anew"), app_password=SecretStr("anew")
    )
    assert not provisioning.ensure(session, anew, LIMITS)
    assert provisioning.set_passwords(session, anew)
    assert not provisioning.set_passwords(session, anew)
    for role, password in anew.passwords.items():
        login = {"user": role, "password": password.get_secret_value()}
        # The database is the one from before.
        assert shared.ask(anew.names.database, "SELECT count(*) FROM customers", **login) == [(0,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        app_asks(shared, request, request.names.database, "SELECT 1")


def test_a_registry_without_the_logins_records_them(
    session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    session.execute("ALTER TABLE database DROP COLUMN logins")
    registry.install(session.master)
    assert provisioning.set_passwords(session, request)
    assert not provisioning.set_passwords(session, request)


def test_the_names_of_an_earlier_registry_are_replaced(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    session.execute(
        "ALTER TABLE database RENAME COLUMN request_uid TO claim;"
        "ALTER TABLE database DROP CONSTRAINT database_kind_check;"
        "ALTER TABLE database ADD CONSTRAINT database_kind_check"
        " CHECK (kind IN ('template', 'making', 'spare', 'branch', 'former'))"
    )
    unfinished = {
        "branch_making_0123456789ab": ("making", DatabaseKind.PENDING),
        "branch_former_0123456789ab": ("former", DatabaseKind.RETIRED),
    }
    for name, (kind, _) in unfinished.items():
        shared.server.execute(f"CREATE DATABASE {name} OWNER boss")
        session.execute("INSERT INTO database (name, kind) VALUES (%s, %s)", name, kind)
    registry.upgrade(session)
    registry.upgrade(session)
    kinds = {entry.name: entry.kind for entry in session.entries()}
    assert {name: kinds[name] for name in unfinished} == {n: k for n, (_, k) in unfinished.items()}
    assert not provisioning.ensure(session, request, LIMITS)
    assert clones.drop_unfinished(session) == sorted(unfinished)
    assert not shared.databases() & set(unfinished)


def test_asking_again_changes_nothing(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    app_asks(shared, request, request.names.database, "DELETE FROM customers")
    before = shared.databases()
    assert not provisioning.ensure(session, request, LIMITS)
    assert shared.databases() == before
    assert app_asks(shared, request, request.names.database, "SELECT count(*) FROM customers") == [
        (0,)
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [({"reset": "2"}, "a reset"), ({"uid": "another"}, "a namespace that was made anew")],
)
def test_a_fresh_clone_takes_the_place_of_one_in_use(
    shared: Shared, session: Session, new_request: NewRequest, change: dict[str, str], why: str
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    number = int(request.names.namespace.removeprefix("pr-"))
    user, password = request.names.app, request.app_password.get_secret_value()
    before = shared.databases()
    with closing(
        shared.server.connect(request.names.database, user=user, password=password)
    ) as busy:
        with busy, busy.cursor() as cursor:
            cursor.execute("DELETE FROM customers")
        assert provisioning.ensure(session, new_request(number, **change), LIMITS), why
        with pytest.raises(psycopg2.OperationalError), busy.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert app_asks(shared, request, request.names.database, "SELECT count(*) FROM customers") == [
        (ROWS,)
    ]
    assert shared.databases() == before


def test_nobody_else_gets_in(shared: Shared, session: Session, new_request: NewRequest) -> None:
    """The table of who may connect where: each to its own, and to nothing else."""
    one, other = new_request(), new_request()
    for request in (one, other):
        provisioning.ensure(session, request, LIMITS)
    logins = {
        (request.names.database, role): password.get_secret_value()
        for request in (one, other)
        for role, password in (
            (request.names.app, request.app_password),
            (request.names.migrator, request.migrator_password),
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
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    one, other = new_request(), new_request()
    for request in (one, other):
        provisioning.ensure(session, request, LIMITS)
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
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    opened = [
        shared.server.connect(
            request.names.database,
            user=request.names.app,
            password=request.app_password.get_secret_value(),
        )
        for _ in range(LIMITS.app)
    ]
    try:
        with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
            app_asks(shared, request, request.names.database, "SELECT 1")
    finally:
        for connection in opened:
            connection.close()


def test_a_server_without_connections_for_one_more_refuses(
    session: Session, new_request: NewRequest
) -> None:
    held = sum(entry.kind is DatabaseKind.BRANCH for entry in session.entries())
    room = provisioning.capacity(session, LIMITS)
    # As many for the platform as leaves room for what is there and no other.
    tight = ConnectionLimits(
        LIMITS.app, LIMITS.migrator, LIMITS.platform + (room - held) * LIMITS.preview
    )
    with pytest.raises(ServerFullError, match=rf"for {held} previews .* and has {held} previews"):
        provisioning.ensure(session, new_request(), tight)


def test_a_database_that_somebody_dropped_is_not_made_up_again(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    shared.server.execute(f"DROP DATABASE {request.names.database}")
    with pytest.raises(DatabaseMissingError, match="previews reset-db"):
        provisioning.ensure(session, request, LIMITS)
    number = int(request.names.namespace.removeprefix("pr-"))
    assert provisioning.ensure(session, new_request(number, reset="again"), LIMITS)


def test_nothing_is_left_of_a_preview(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    databases, roles = shared.databases(), shared.roles()
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    assert shared.databases() - databases == {request.names.database}
    provisioning.remove(session, request.names)
    provisioning.remove(session, request.names)
    assert (shared.databases(), shared.roles()) == (databases, roles)
    assert session.branch(request.names.namespace) is None


def test_passwords_are_never_in_the_servers_log(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    shared.server.execute("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    try:
        provisioning.ensure(session, new_request(app_password=SecretStr("seen-in-no-log")), LIMITS)
    finally:
        shared.server.execute("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    log = (shared.server.folder / "log").read_text()
    assert "CREATE DATABASE" in log
    assert "seen-in-no-log" not in log


def test_one_works_on_a_server_at_a_time(shared: Shared, session: Session) -> None:
    with (
        pytest.raises(ServerBusyError, match="another clone is being made"),
        registry.session(shared.master),
    ):
        pytest.fail("two had the lock")
