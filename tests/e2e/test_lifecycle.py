"""An `up` that is killed in the middle: one recovery, and nothing is left of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.inventory import everything
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.world import World
from tests.github import LocalGitHub

pytestmark = pytest.mark.e2e


@pytest.fixture
def ci(world: World) -> Iterator[Lifecycle]:
    with LocalGitHub(REPOSITORY) as hub:
        hub.state.pull(1)  # Somebody else's, open.
        yield Lifecycle(world, hub)


@pytest.mark.parametrize("operations", [5])
def test_a_killed_up_is_removed_to_nothing(ci: Lifecycle, world: World, operations: int) -> None:
    """A sample; ``make kill-each`` does it after each operation."""
    number = 2030 + operations
    before = everything(world)
    assert ci.up_killed_after(f"pr-{number}", operations, run=40 + operations)
    receipt = ci.previews("destroy", str(number))
    assert receipt["left"] == []
    assert everything(world) == before, json.dumps(receipt)
