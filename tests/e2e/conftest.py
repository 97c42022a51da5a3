"""One sandbox for each worker, with staging in it; each test brings the previews it needs.

With ``-n 2 --dist loadfile`` there are two, which share nothing but the tools.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.aws.calls import FILE
from sandbox.settings import Settings
from tests.addresses import free_port, free_subnet
from tests.e2e.world import World, copy_of_the_checkout
from tests.previews.aws_calls import unrecorded

_FOLDER = Path(__file__).parent
_NUMBERS = itertools.count(1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that none is taken for one that takes seconds."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.e2e)


@contextmanager
def new_world(folder: Path) -> Iterator[World]:
    """A sandbox in ``folder``, stopped and forgotten at the end."""
    settings = Settings(
        home=folder / "sandbox",
        subnet=free_subnet(),
        http_port=free_port(),
        # The same on every machine, whether it has an engine or not.
        builder="own",
    )
    world = World(copy_of_the_checkout(folder), settings)
    try:
        yield world
    finally:
        if os.environ.get("KEEP_SANDBOX") != "1":
            world.sandbox("reset", "--yes")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A running sandbox with ``staging`` up, its data filled in and snapshot taken."""
    # Not pytest's folder: it is pruned by later runs, and this one may run for long.
    with (
        tempfile.TemporaryDirectory(prefix="previews-e2e-") as folder,
        new_world(Path(folder)) as world,
    ):
        world.sandbox("staging")
        yield world
        record = world.settings.home / "aws" / FILE
        assert unrecorded(record.read_text().splitlines()) == []


@pytest.fixture
def number(world: World) -> Iterator[int]:
    """The number of a pull request of the test's own; its preview is destroyed at the end."""
    number = next(_NUMBERS)
    yield number
    world.sandbox("destroy", str(number))


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> str:
    """Return the database mode; `both_modes` runs a test with both."""
    return str(getattr(request, "param", "snapshot"))


@pytest.fixture(scope="module")
def standing(world: World) -> Iterator[Callable[[str], int]]:
    """Return the number of the module's own preview of a mode, brought up for the first of them."""
    numbers: dict[str, int] = {}

    def of(mode: str) -> int:
        if mode not in numbers:
            numbers[mode] = next(_NUMBERS)
            world.sandbox("preview", str(numbers[mode]), "--database", mode)
        return numbers[mode]

    yield of
    for number in numbers.values():
        world.sandbox("destroy", str(number))


@pytest.fixture
def preview(world: World, number: int, mode: str) -> str:
    """The stack of a preview that is up."""
    world.sandbox("preview", str(number), "--database", mode)
    return f"pr-{number}"
