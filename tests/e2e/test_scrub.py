"""Personal data of staging reach no preview, and unclassified columns stop one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from sandbox.postgres.binaries import client_folder
from service.seed import canaries
from tests.e2e import customers
from tests.e2e.databases import ask, both_modes, server_of, shared_servers
from tests.e2e.world import World

MAY_CONNECT = (
    "select string_agg(distinct acl.grantee::regrole::text, ',')"
    " from pg_database, aclexplode(datacl) as acl"
    " where datname = current_database() and privilege_type = 'CONNECT' and acl.grantee <> datdba"
)


def dump(world: World, stack: str) -> str:
    """Everything in a stack's database, as text, by the server's own version of pg_dump."""
    return world.run(str(client_folder(16) / "pg_dump"), f"service={stack}")


@both_modes
def test_staging_s_canaries_are_found_in_no_preview(world: World, preview: str) -> None:
    staging = dump(world, "staging")
    assert [mark for mark in canaries.MARKS if mark not in staging] == []
    scrubbed = dump(world, preview)
    assert scrubbed.count("@example.com\t") >= world.settings.seed_rows
    assert [mark for mark in canaries.MARKS if mark in scrubbed] == []


@pytest.fixture
def fax(world: World) -> Iterator[str]:
    """Add a column to staging, and take a snapshot with it."""
    ask(world, "staging", "alter table customers add column fax text")
    world.sandbox("snapshot", "staging")
    yield "customers.fax"
    ask(world, "staging", "alter table customers drop column fax")
    world.sandbox("snapshot", "staging")


def test_a_column_that_nobody_classified_stops_the_next_preview_by_name(
    world: World, number: int, fax: str
) -> None:
    output = world.sandbox("preview", str(number), fails=True)
    assert f"{fax} is not classified" in output
    assert "Correct scrub.yaml on the default branch, and bring staging up" in output
    # The engine interrupts the program once a resource has failed.
    pulumi = (world.settings.logs / "pulumi.log").read_text()
    assert fax in pulumi
    assert "KeyboardInterrupt" not in pulumi
    stack = f"pr-{number}"
    assert ask(world, stack, f"select '<' || coalesce(({MAY_CONNECT}), '') || '>'") == ["<>"]
    pods = world.kubectl("get", "pods", "--namespace", stack)["items"]
    ran = {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods}
    assert ran == {"prepare"}


@pytest.fixture
def corrected(world: World) -> Iterator[Callable[[], None]]:
    """Add the missing rule to the default branch, and bring staging up; undone at the end."""
    rules = world.checkout / "scrub.yaml"
    before = rules.read_text()

    def correct() -> None:
        rule = "      fax: {how: fake, kind: phone}\n"
        rules.write_text(before.replace("      company:", f"{rule}      company:"))
        world.sandbox("staging")

    yield correct
    rules.write_text(before)
    world.sandbox("staging")


def test_the_next_try_uses_a_corrected_rule(
    world: World, number: int, fax: str, corrected: Callable[[], None]
) -> None:
    ask(world, "staging", "update customers set fax = '+493023125042' where plan = 'free'")
    world.sandbox("snapshot", "staging")
    assert f"{fax} is not classified" in world.sandbox("preview", str(number), fails=True)
    corrected()
    world.sandbox("preview", str(number))
    real = "select count(*) from customers where fax = '+493023125042'"
    assert ask(world, f"pr-{number}", real) == ["0"]
    assert ask(world, f"pr-{number}", "select count(fax) > 0 from customers") == ["t"]


@pytest.mark.parametrize("mode", ["branch"], indirect=True)
def test_a_column_that_nobody_classified_stops_the_next_refresh_by_name(
    world: World, preview: str, number: int, fax: str
) -> None:
    serving, before = server_of(world, preview), shared_servers(world)
    output = world.run(sys.executable, "-m", "previews.cli", "refresh", fails=True)
    assert f"{fax} is not classified" in output
    assert f"{serving} stays in use" in output
    # What it had begun is gone, and others get their databases as before.
    assert shared_servers(world) == before
    with world.client(preview) as client:
        customers.crud_round_trip(client)
    other = number + 500
    world.sandbox("preview", str(other), "--database", "branch")
    assert server_of(world, f"pr-{other}") == serving
    world.sandbox("destroy", str(other))
