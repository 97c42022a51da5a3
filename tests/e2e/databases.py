"""Databases of previews, whichever of the two modes they come from."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.e2e.world import World

MODES = ("snapshot", "branch")
both_modes = pytest.mark.parametrize("mode", MODES, indirect=True)
"""Runs a test with its previews in each of the modes."""


def ask(world: World, service: str, question: str) -> list[str]:
    """The lines that psql answers, as the master user of a stack's database."""
    # Whatever comes before is the sandbox's own.
    answer = world.run("psql", f"service={service}", "-At", "-c", f"select '>'; {question}")
    lines = answer.splitlines()
    return lines[lines.index(">") + 1 :]


def login(world: World, namespace: str, secret: str) -> tuple[str, str]:
    """User and password of a Secret."""
    data = world.kubectl("get", "secret", secret, "--namespace", namespace)["data"]
    user, password = (base64.b64decode(data[key]).decode() for key in ("username", "password"))
    return user, password


def claim(world: World, stack: str) -> dict[str, Any]:
    """Return the request of a preview in mode ``branch``, with its status."""
    return dict(world.kubectl("get", "databasebranch", "database", "--namespace", stack))


def identity(world: World, stack: str) -> dict[str, Any]:
    """Return an identity that changes if a preview gets another database."""
    if world.outputs(stack)["databaseMode"] == "branch":
        found = claim(world, stack)
        (oid,) = ask(world, stack, "select oid from pg_database where datname = current_database()")
        return {"uid": found["metadata"]["uid"], "status": found["status"], "oid": oid}
    from sandbox.aws.client import client

    (instance,) = client(world.settings, "rds").describe_db_instances(DBInstanceIdentifier=stack)[
        "DBInstances"
    ]
    return {
        key: value
        for key, value in instance.items()
        if key not in ("TagList", "LatestRestorableTime")
    }


def server_of(world: World, stack: str) -> str:
    """The shared server that a preview in mode ``branch`` has its database on."""
    return str(claim(world, stack)["status"]["generation"])


def shared_servers(world: World) -> set[str]:
    """The platform's shared servers, by what each of them leaves: a publication, an instance."""
    instances = {path.name for path in (world.settings.home / "rds").glob("data-*")}
    # Those of another app have the same names, in a namespace of its own.
    published = world.kubectl("get", "databasegenerations", "--namespace", "branches")["items"]
    names = {item["metadata"]["name"] for item in published}
    assert instances == names, (instances, names)
    return instances


def on_server(world: World, server: str | None) -> set[str]:
    """The databases of a shared server, and its roles that are previews'; of no server, none."""
    if server is None:
        return set()
    question = (
        "select 'database ' || datname from pg_database"
        r" union all select 'role ' || rolname from pg_roles where rolname like 'pr\_%'"
    )
    return set(ask(world, f"{server} dbname=postgres", question))
