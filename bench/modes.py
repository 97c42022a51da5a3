"""Both modes of a preview's data in one run: time to the first 200, and what 20 cost a month."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from http import HTTPStatus
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from bench.report import Results
from previews.cost import Cost
from previews.facts import facts_of
from previews.prices import read as read_prices
from previews.stack_state import read_state
from tests.e2e.conftest import new_world
from tests.e2e.databases import MODES, server_of
from tests.e2e.world import World, pulumi_up

_RUNS = 3
_FIRST_NUMBER = 60
_PREVIEWS = 20
_REGION = "us-east-1"
_GOALS = {"branch": 12}
_DATABASES = {"snapshot": "an instance each", "branch": "with the instance that they share"}


def pulumi(world: World, *command: str) -> str:
    """A command of Pulumi's in the sandbox's environment, with nothing of the sandbox before it."""
    return subprocess.run(
        command,
        cwd=world.checkout,
        env=world.clients_environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def first_answer(world: World, number: int, mode: str) -> float:
    """Seconds from the start of ``pulumi up`` of a new preview to its first 200."""
    stack = f"pr-{number}"
    pulumi(world, "pulumi", "stack", "init", stack)
    settings = ("--config-path", "--config", f"previews:database.mode={mode}")
    with world.client(stack) as client:
        began = time.perf_counter()
        pulumi(world, *pulumi_up(stack, *settings))
        Retrying(
            retry=retry_if_result(lambda status: status != HTTPStatus.OK),
            stop=stop_after_delay(60),
            wait=wait_fixed(0.05),
        )(lambda: client.get("/health/ready").status_code)
        return time.perf_counter() - began


def cost(world: World, stack: str) -> Cost:
    """What a stack costs, from its state and the dated prices."""
    state = read_state(stack, json.loads(pulumi(world, "pulumi", "stack", "export", "-s", stack)))
    found = facts_of(state, region=_REGION, prices=read_prices()).cost
    if found is None:
        message = f"{stack}: previews/prices.toml does not have its region or sizes"
        raise SystemExit(message)
    return found


def both(world: World, results: Results) -> None:
    """All of it, the modes in turns, so that noise meets each."""
    numbers = dict(zip(MODES, (_FIRST_NUMBER, _FIRST_NUMBER + 1), strict=True))
    taken: dict[str, list[float]] = {mode: [] for mode in MODES}
    # The server that previews in mode branch share is made once, and the image is built.
    for mode, number in numbers.items():
        world.sandbox("preview", str(number), "--database", mode)
    a_month = {mode: cost(world, f"pr-{n}").a_month * _PREVIEWS for mode, n in numbers.items()}
    shared = cost(world, server_of(world, f"pr-{numbers['branch']}"))
    a_month["branch"] += shared.a_month
    for number in numbers.values():
        world.sandbox("destroy", str(number))
    for _ in range(_RUNS):
        for mode, number in numbers.items():
            taken[mode].append(first_answer(world, number, mode))
            world.sandbox("destroy", str(number))
    for mode in MODES:
        what = f"`pulumi up` of a new preview to the first 200, mode {mode}"
        results.add(f"first-{mode}", what, "s", taken[mode], _GOALS.get(mode))
    seen = max(source.seen for source in read_prices().sources.values())
    for mode in MODES:
        what = (
            f"{_PREVIEWS} previews for a month, mode {mode}, {_DATABASES[mode]},"
            f" by previews/prices.toml of {seen}, {_REGION}"
        )
        results.add(f"cost-{mode}", what, "$", [float(a_month[mode])])


def main() -> None:
    """Take these figures alone, on a sandbox of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-modes-") as folder,
        new_world(Path(folder)) as world,
    ):
        world.sandbox("staging")
        both(world, Results.read())


if __name__ == "__main__":
    main()
