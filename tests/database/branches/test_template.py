"""What is done to a restored server before anything is cloned from it."""

from __future__ import annotations

import psycopg2
import pytest

from database.branches import clones, names, registry, template
from database.branches.errors import BranchError, ServerBusyError
from tests.database.branches.conftest import PASSWORD, ROWS, Shared


def make(shared: Shared) -> list[str]:
    lines: list[str] = []
    template.make(shared.restored, shared.scrub, lines.append)
    return lines


class ScrubFailedError(Exception):
    pass


def test_a_template_is_scrubbed_closed_and_known(fresh: Shared) -> None:
    lines = make(fresh)
    assert "service" not in fresh.databases()
    assert [line for line in lines if "scrubbed and proven" in line]
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting connections"):
        fresh.ask(names.TEMPLATE, "SELECT 1")
    with registry.session(fresh.master) as session:
        assert template.require(session) == fresh.restored.snapshot
        clone = clones.copy_template(session)
        clones.allow_connections(session, clone, allow=True)
    emails = fresh.ask(clone, "SELECT count(*) FROM customers WHERE email LIKE '%@example.com'")
    assert emails == [(ROWS,)]


def test_a_template_is_not_dropped_by_mistake(fresh: Shared) -> None:
    make(fresh)
    with (
        registry.session(fresh.master) as session,
        pytest.raises(BranchError, match="not created by"),
    ):
        clones.drop(session, names.TEMPLATE)
    with pytest.raises(psycopg2.errors.WrongObjectType, match="template database"):
        fresh.server.execute(f"DROP DATABASE {names.TEMPLATE}")


def test_staging_s_roles_are_locked_out_before_the_scrub(fresh: Shared) -> None:
    assert fresh.ask("service", "SELECT 1", user="service_app") == [(1,)]

    def scrub() -> None:
        with pytest.raises(psycopg2.OperationalError, match="not permitted to log in"):
            fresh.ask("service", "SELECT 1", user="service_app", password=PASSWORD)
        fresh.scrub()

    template.make(fresh.restored, scrub, lambda _: None)


def test_a_scrub_that_fails_leaves_no_template(fresh: Shared) -> None:
    def scrub() -> None:
        raise ScrubFailedError

    with pytest.raises(ScrubFailedError):
        template.make(fresh.restored, scrub, lambda _: None)
    with registry.session(fresh.master) as session:
        with pytest.raises(BranchError, match="no scrubbed template"):
            template.require(session)
        with pytest.raises(BranchError, match="no database branch_template"):
            clones.copy_template(session)
    # And the next run mends it.
    make(fresh)
    with registry.session(fresh.master) as session:
        assert template.require(session)


def test_it_is_made_once(fresh: Shared) -> None:
    make(fresh)
    before = fresh.databases()
    assert make(fresh) == ["branch_template exists already"]
    assert fresh.databases() == before


def test_a_template_in_use_is_waited_for(fresh: Shared) -> None:
    """Only a superuser gets past ALLOW_CONNECTIONS, as AWS's own programs may."""
    make(fresh)
    with registry.session(fresh.master) as session:
        fresh.server.execute(f"ALTER DATABASE {names.TEMPLATE} ALLOW_CONNECTIONS true")
        inside = fresh.server.connect(names.TEMPLATE)
        fresh.server.execute(f"ALTER DATABASE {names.TEMPLATE} ALLOW_CONNECTIONS false")
        with pytest.raises(ServerBusyError, match="in use"):
            clones.copy_template(session)
        inside.close()
        assert clones.copy_template(session) in fresh.databases()
