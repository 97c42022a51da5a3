"""Guarantees of mode branch: one server, many databases, each accessible to its preview only."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from sandbox.postgres.binaries import installation
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.server import Server
from tests.e2e.databases import claim, login, on_server, server_of
from tests.e2e.processes import each, words
from tests.e2e.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.parametrize("mode", ["branch"], indirect=True)

NAMESPACE = "branches"
REFUSED = re.compile("permission denied for database|not currently accepting connections")
ROLES = {"database-migrator": "migrator", "database-app": "app"}


def asked_for(number: int) -> list[dict[str, Any]]:
    """Return a preview's objects for its database: a namespace, two passwords, a request."""
    namespace = f"pr-{number}"
    here = {"namespace": namespace}
    logins = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, **here},
            "stringData": {
                "username": f"pr_{number}_{role}",
                "password": secrets.token_urlsafe(24),
            },
        }
        for secret, role in ROLES.items()
    ]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        *logins,
        {
            "apiVersion": "previews.internal/v1alpha1",
            "kind": "DatabaseBranch",
            "metadata": {"name": "database", **here},
            "spec": {"servers": NAMESPACE},
        },
    ]


@pytest.fixture
def claims(world: World, preview: str, tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Request databases concurrently; they are released at the end, and then nothing is left."""
    server = server_of(world, preview)
    before = on_server(world, server)
    made: list[str] = []

    def ask(*numbers: int) -> list[str]:
        made.extend(f"pr-{number}" for number in numbers)
        items = [item for number in numbers for item in asked_for(number)]
        file = tmp_path / "claims.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        world.kubectl("apply", "--filename", str(file))
        return made[-len(numbers) :]

    yield ask
    world.run("kubectl", "delete", "namespace", "--timeout=120s", *made)
    assert on_server(world, server) == before


def until_ready(world: World, *stacks: str) -> None:
    """Wait until the claims have their databases."""
    for stack in stacks:
        wait = ("--for=condition=Ready", "databasebranch/database", "--timeout=120s")
        world.kubectl("wait", *wait, "--namespace", stack)


def entered(world: World, stack: str, secret: str, databases: set[str]) -> set[str]:
    """The databases that a role gets into, at its own database's address."""
    user, password = login(world, stack, secret)
    host = claim(world, stack)["status"]["host"]
    refused: dict[str, str] = {}
    for database in databases:
        try:
            psycopg2.connect(
                host=host, dbname=database, user=user, password=password, sslmode="require"
            ).close()
        except psycopg2.OperationalError as error:
            refused[database] = str(error)
    assert [output for output in refused.values() if not REFUSED.search(output)] == []
    return databases - set(refused)


def test_ten_at_once_get_a_database_each_and_enter_no_other(
    world: World, preview: str, claims: Callable[..., list[str]]
) -> None:
    server = server_of(world, preview)
    numbers = range(7001, 7011)
    stacks = claims(*numbers)
    until_ready(world, *stacks)

    there = {
        line.removeprefix("database ")
        for line in on_server(world, server)
        if line.startswith("database ")
    }
    assigned = {claim(world, stack)["status"]["database"] for stack in stacks}
    assert assigned == {f"pr_{number}" for number in numbers}
    assert assigned | {"branch_template", NAMESPACE, "postgres", "template1"} <= there
    assert [name for name in there if name.startswith("branch_pending")] == []
    for stack in (preview, stacks[0], stacks[-1]):
        for secret in ROLES:
            own = {claim(world, stack)["status"]["database"]}
            assert entered(world, stack, secret, there) == own


def test_a_stack_holds_nothing_of_aws(world: World, preview: str) -> None:
    text = world.run("pulumi", "stack", "export", "--stack", preview)
    state = json.loads(text[text.index("{") :])
    types = {resource["type"] for resource in state["deployment"]["resources"]}
    assert [name for name in types if name.startswith(("aws:", "pulumi:providers:aws"))] == []
    assert "kubernetes:previews.internal/v1alpha1:DatabaseBranch" in types
    outputs = world.outputs(preview)
    assert outputs["databaseMode"] == "branch"
    assert outputs["snapshot"].startswith("rds:staging-")


@contextmanager
def administrator(world: World, server: str) -> Iterator[Connection]:
    """A connection of RDS's own user, whom the master user can't keep out."""
    folder = InstanceFolder(world.settings.home / "rds" / server)
    with Server(folder, installation("16")).connect() as connection:
        yield connection


@contextmanager
def a_clone_under_way(
    world: World, server: str, begin: Callable[[], object]
) -> Iterator[tuple[int, str]]:
    """A clone that has begun and can't end before the block does: who makes it, and its name."""
    with (
        administrator(world, server) as locking,
        administrator(world, server) as watching,
        locking.cursor() as lock,
        watching.cursor() as watch,
    ):

        def cloning() -> bool:
            watch.execute(
                "SELECT pid, substring(query from '\"(.+?)\"') FROM pg_stat_activity"
                " WHERE query LIKE 'CREATE DATABASE%' AND wait_event_type = 'Lock'"
            )
            found.extend(watch.fetchall())
            return bool(found)

        found: list[tuple[int, str]] = []
        lock.execute("BEGIN")
        # What is read of it is read as before; who wants to add a database waits.
        lock.execute("LOCK TABLE pg_database IN SHARE MODE")
        begin()
        eventually(cloning, "a clone that waits for the lock")
        yield found[0]
        lock.execute("ROLLBACK")


def controller_log(world: World) -> str:
    return world.run("kubectl", "logs", "--namespace", NAMESPACE, "deployment/branches")


def end_its_connection(world: World, server: str, pid: int) -> None:
    with administrator(world, server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert cursor.fetchall() == [(True,)]
    eventually(
        lambda: (
            '"pr-7020/database", "error": "the connection to the server was lost'
            in controller_log(world)
        ),
        "the controller noticed that its connection was ended",
    )


def kill_the_controller(world: World, server: str, pid: int) -> None:
    running = [p for p in world.processes() if words(p)[-2:] == ["-m", "database.branches"]]
    assert running
    each(running, psutil.Process.kill)


@pytest.mark.parametrize("kill", [end_its_connection, kill_the_controller])
def test_a_clone_that_is_killed_half_way_is_made_on_the_next_try(
    world: World,
    preview: str,
    claims: Callable[..., list[str]],
    kill: Callable[[World, str, int], None],
) -> None:
    server = server_of(world, preview)
    with a_clone_under_way(world, server, lambda: claims(7020)) as (pid, name):
        kill(world, server, pid)
    until_ready(world, "pr-7020")
    # The registry knew what had been begun, and it was dropped before another was made.
    dropped = (
        f'{{"database": "{name}", "server": "{server}", "event": "dropped an unfinished database'
    )
    assert dropped in controller_log(world)
    assert not any("branch_pending" in line for line in on_server(world, server))
    assert entered(world, "pr-7020", "database-app", {"pr_7020"}) == {"pr_7020"}
