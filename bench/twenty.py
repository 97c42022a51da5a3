"""Many previews at once: they are created, used and destroyed concurrently."""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.__main__ import memory
from bench.modes import seconds
from bench.report import Results
from sandbox.pull_request import Mode
from tests.e2e import customers
from tests.e2e.conftest import new_world
from tests.e2e.inventory import everything
from tests.e2e.world import World

_FIRST_NUMBER = 4000


def at_once(world: World, commands: list[list[str]]) -> list[float]:
    """Run all commands concurrently, and return the seconds of each."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda command: seconds(lambda: world.sandbox(*command)), commands))


def answer(world: World, number: int) -> None:
    """Check that a preview serves staging's rows, and keeps what is written to it."""
    with world.client("staging") as http:
        expected = customers.oldest(http)
    with world.client(f"pr-{number}") as http:
        if customers.oldest(http) != expected:
            message = f"pr-{number} has other rows than staging"
            raise AssertionError(message)
        customers.crud_round_trip(http)


def together(world: World, results: Results | None, count: int, mode: Mode) -> None:
    """Measure a mode's figures, after staging and the mode's server are deployed."""
    numbers = [_FIRST_NUMBER + index for index in range(count)]
    before, memory_before = everything(world), memory(world)
    up = at_once(world, [["preview", str(n), "--database", mode.value] for n in numbers])
    for number in numbers:
        answer(world, number)
    each = (memory(world) - memory_before) / count
    down = at_once(world, [["destroy", str(number)] for number in numbers])
    left = everything(world) - before
    if left:
        message = f"left of {count} previews in mode {mode}: {sorted(left)}"
        raise AssertionError(message)
    about = f"{count} previews at once, mode `{mode}`"
    print(f"{about}: up {max(up):.0f} s, {each:.0f} MiB each, gone {max(down):.0f} s", flush=True)
    if results is not None:
        results.add(f"at-once-up-{mode}", f"{about}: each from command to answer", "s", up)
        results.add(f"at-once-memory-{mode}", f"{about}: memory of each (PSS)", "MiB", [each])
        results.add(f"at-once-down-{mode}", f"{about}: each gone", "s", down)


def main() -> None:
    """Measure the figures of both modes; only those of twenty previews are stored."""
    parser = argparse.ArgumentParser(prog="python -m bench.twenty", description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="how many previews")
    parser.add_argument("--mode", type=Mode, action="append", help="this mode alone")
    arguments = parser.parse_args()
    results = Results.read() if arguments.count == 20 else None  # noqa: PLR2004 - its name
    with (
        tempfile.TemporaryDirectory(prefix="twenty-") as folder,
        new_world(Path(folder)) as world,
    ):
        world.sandbox("staging")
        for mode in arguments.mode or Mode:
            # The mode's server is created with its first preview.
            world.sandbox("preview", "1", "--database", mode.value)
            world.sandbox("destroy", "1")
            together(world, results, arguments.count, mode)


if __name__ == "__main__":
    main()
