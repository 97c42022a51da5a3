"""Kill of an `up` after each of its resource operations; one recovery must succeed.

After an even number of operations the recovery is `previews unlock` and another `up`, which must
converge; after an odd number it is `previews destroy`, after which nothing may be left.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from bench.report import Results
from tests.e2e import customers
from tests.e2e.conftest import new_world
from tests.e2e.inventory import everything
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.github import LocalGitHub

_FIRST_NUMBER = 3000


def recover(ci: Lifecycle, number: int, *, run: int, converge: bool) -> None:
    """Recover: to a working preview that is then destroyed, or destroy it at once."""
    if converge:
        ci.previews("unlock", str(number))
        ci.up(f"pr-{number}", run=run)
        with ci.world.client(f"pr-{number}") as http:
            customers.crud_round_trip(http)
    receipt = ci.previews("destroy", str(number))
    if receipt["left"]:
        message = f"pr-{number}: {receipt['left']}"
        raise AssertionError(message)


def kill_each(ci: Lifecycle, *, first: int, last: int | None) -> tuple[list[float], list[str]]:
    """Kill after each operation from ``first`` on; a failure does not stop the others.

    Returns:
        Seconds of each recovery, and the failures.
    """
    seconds: list[float] = []
    failures: list[str] = []
    for operations in itertools.count(first):
        number, run = _FIRST_NUMBER + operations, 100 + 2 * operations
        if last is not None and operations > last:
            break
        before = everything(ci.world)
        ci.pull(number)
        killed = ci.up_killed_after(f"pr-{number}", operations, run=run)
        began = time.perf_counter()
        try:
            recover(ci, number, run=run + 1, converge=killed and operations % 2 == 0)
            left = sorted(everything(ci.world) - before)
            if left:
                failures.append(f"after {operations}: left {left}")
        except AssertionError as error:
            failures.append(f"after {operations}: {error}")
        if not killed:
            break
        seconds.append(time.perf_counter() - began)
        print(f"killed after {operations:2}: recovered in {seconds[-1]:.1f} s", flush=True)
    return seconds, failures


def main() -> None:
    """Run it on a sandbox of its own, and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill_each", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first number of operations")
    parser.add_argument("--last", type=int, help="the last one; all of them without it")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kill-each-") as folder,
        new_world(Path(folder)) as world,
        LocalGitHub(REPOSITORY) as hub,
    ):
        world.sandbox("staging")
        ci = Lifecycle(world, hub)
        seconds, failures = kill_each(ci, first=arguments.first, last=arguments.last)
    if failures:
        sys.exit("\n".join(failures))
    if arguments.first == 0 and arguments.last is None:
        what = (
            f"kill -9 after each of the {len(seconds)} resource operations of an `up`: one recovery"
        )
        Results.read().add("kill-each", what, "s", seconds)


if __name__ == "__main__":
    main()
