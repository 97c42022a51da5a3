"""Newer data for new previews in mode branch, while others live on the former."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e import customers
from tests.e2e.databases import identity, server_of, shared_servers
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.processes import each
from tests.e2e.test_push import Visitors
from tests.e2e.waiting import reached
from tests.e2e.world import World
from tests.github import LocalGitHub
from tests.waiting import eventually

REFRESH = (sys.executable, "-m", "previews.cli", "refresh")


@pytest.mark.parametrize("mode", ["branch"], indirect=True)
def test_a_refresh_leaves_living_previews_where_they_are(
    world: World, preview: str, number: int
) -> None:
    with world.client(preview) as client:
        written = customers.create(client)["id"]
    former, before = server_of(world, preview), identity(world, preview)
    with world.client("staging") as client:
        newest = customers.create(client, name="Came After The Template")["id"]
    newer = world.sandbox("snapshot", "staging").splitlines()[-1]

    with Visitors(world, preview) as visitors:
        output = world.run(*REFRESH)
    assert f"is kept for {preview}" in output
    assert visitors.answers > 20
    assert visitors.failures == []
    assert identity(world, preview) == before
    with world.client(preview) as client:
        assert customers.exists(client, written)
        assert not customers.exists(client, newest)

    other = f"pr-{number + 500}"
    world.sandbox("preview", str(number + 500), "--database", "branch")
    try:
        assert world.outputs(other)["snapshot"] == newer
        serving = server_of(world, other)
        assert shared_servers(world) == {former, serving}
        with world.client(other) as client:
            assert customers.exists(client, newest)
            assert not customers.exists(client, written)

        world.sandbox("destroy", str(number))
        assert f"{former} had no preview left" in world.run(*REFRESH)
        assert former not in shared_servers(world)
        assert serving in shared_servers(world)
        with world.client(other) as client:
            customers.crud_round_trip(client)
    finally:
        world.sandbox("destroy", str(number + 500))


@pytest.fixture
def ci(world: World) -> Iterator[Lifecycle]:
    with LocalGitHub(REPOSITORY) as hub:
        yield Lifecycle(world, hub)


def refresh_killed_at(ci: Lifecycle, server: str, resource: str, *, run: int) -> None:
    """A refresh of a workflow's run that is killed, with all below it, while it makes a server."""
    ci.hub.state.run(run)
    process = subprocess.Popen(
        REFRESH,
        cwd=ci.world.checkout,
        env=ci.environment(run),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(reached(ci.world, server, resource), f"{resource} of {server}")
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    each(below, psutil.Process.kill)
    process.wait()
    ci.hub.state.run(run, "completed", "cancelled")


@pytest.mark.parametrize("mode", ["branch"], indirect=True)
def test_what_a_killed_refresh_leaves_is_cleared_away_by_the_next(
    ci: Lifecycle, world: World, preview: str
) -> None:
    former = server_of(world, preview)
    killed = f"data-{max(int(s.removeprefix('data-')) for s in shared_servers(world)) + 1}"
    refresh_killed_at(ci, killed, "aws:rds/instance:Instance", run=71)
    assert [lock.parent.name for lock in world.locks()] == [killed]

    refreshed = ci.previews("refresh", run=72)

    assert killed in refreshed["retired"]
    assert refreshed["kept"] == {former: [preview]}
    assert world.locks() == []
    assert shared_servers(world) == {former, refreshed["serving"]}
    with world.client(preview) as client:
        customers.crud_round_trip(client)
