"""One control plane with one node for all integration tests of the node."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.sandbox.node import control_plane
from tests.sandbox.node.control_plane import World
from tests.sandbox.node.pods import Namespace
from tests.waiting import eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with control_plane.running(tmp_path_factory.mktemp("home")) as world:
        yield world


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of the test's own, whose service account exists.

    Whatever the test does to the world's processes, they run again for the next.
    """
    name = f"t{uuid.uuid5(uuid.NAMESPACE_OID, request.node.nodeid).hex[:12]}"
    made = Namespace(world, name)
    made.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"{made.base}/serviceaccounts/default"
    eventually(lambda: world.api.get(account).status_code == 200, "the service account")
    yield made
    world.start_what_is_down()
    pods = world.api.get(f"{made.base}/pods").json()["items"]
    for pod in pods:
        made.delete(pod["metadata"]["name"], gracePeriodSeconds=0)
    world.api.delete(f"/api/v1/namespaces/{name}")
