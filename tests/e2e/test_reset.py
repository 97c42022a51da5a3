"""A reset of a preview's database, which leaves the version that it serves as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import customers
from tests.e2e.databases import both_modes, identity
from tests.e2e.images import is_in_registry
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.world import World
from tests.github import LocalGitHub


@pytest.fixture
def ci(world: World) -> Iterator[Lifecycle]:
    with LocalGitHub(REPOSITORY) as hub:
        yield Lifecycle(world, hub)


@both_modes
def test_a_reset_gives_fresh_data_to_the_version_that_is_served(
    ci: Lifecycle, world: World, preview: str, number: int, mode: str
) -> None:
    with world.client(preview) as client:
        written = customers.create(client)["id"]
        oldest = customers.oldest(client)
        customers.remove(client, oldest[0])
        version = client.get("/version").json()
    before = identity(world, preview)
    served = world.outputs(preview)["image"]
    ci.pull(number)

    through = f"http://127.0.0.1:{world.settings.http_port}"
    fresh = ci.previews("reset-db", str(number), "--through", through)

    assert (fresh["stack"], fresh["mode"]) == (preview, mode)
    assert fresh["snapshot"] == world.outputs(preview)["snapshot"]
    assert identity(world, preview) != before
    assert world.outputs(preview)["image"] == served
    assert is_in_registry(world.settings, served)
    with world.client(preview) as client:
        assert client.get("/version").json() == version
        assert not customers.exists(client, written)
        assert customers.oldest(client) == oldest
        customers.crud_round_trip(client)
    (comment,) = ci.hub.state.comments_of(number)
    assert fresh["snapshot"] in comment.body
