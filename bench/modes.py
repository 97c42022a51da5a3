"""Both database modes: the time of each step, and the monthly cost of 20 previews."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from bench import timeline
from bench.report import ROOT, Results
from previews.pulumi.state import read_state
from previews.reporting.cost import Cost
from previews.reporting.preview_summary import summarize
from previews.reporting.prices import read as read_prices
from tests.e2e.conftest import new_world
from tests.e2e.databases import MODES, server_of
from tests.e2e.world import World, pulumi_up

TIMELINES = ROOT / "docs" / "benchmarks" / "timelines.md"

_RUNS = 3
_FIRST_NUMBER = 60
_PREVIEWS = 20
_REGION = "us-east-1"
_DATABASES = {"snapshot": "an instance each", "branch": "with the instance that they share"}
_EMPTY = "bench-empty"
_STEPS = {
    "first": "`pulumi up` of a new preview to the first 200",
    "same": "`pulumi up` without changes",
    "push": "`pulumi up` of a push to its first 200",
    "destroy": "`pulumi destroy`",
}
_GOALS = {
    "snapshot": {"first": 4.0, "same": 1.5, "push": 2.0, "destroy": 3.0},
    "branch": {"first": 2.0, "same": 1.5, "push": 2.0, "destroy": 3.0},
}
"""Maximum ratio to the `up` of an empty program."""


def pulumi(world: World, *command: str, cwd: Path | None = None) -> str:
    """Run a Pulumi command in the sandbox's environment, without the sandbox's own code."""
    return subprocess.run(
        command,
        cwd=cwd or world.checkout,
        env=world.clients_environment | timeline.ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def seconds(action: Callable[[], object]) -> float:
    """Return the duration of ``action`` in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def up(world: World, number: int, mode: str, *options: str) -> None:
    """Run ``pulumi up`` of a preview, and wait for its first 200."""
    stack = f"pr-{number}"
    settings = ("--config-path", "--config", f"previews:database.mode={mode}")
    pulumi(world, *pulumi_up(stack, *settings, *options))
    with world.client(stack) as client:
        Retrying(
            retry=retry_if_result(lambda status: status != HTTPStatus.OK),
            stop=stop_after_delay(60),
            wait=wait_fixed(0.05),
        )(lambda: client.get("/health/ready").status_code)


def destroy(world: World, number: int, *options: str) -> None:
    """Run ``pulumi destroy`` of a preview."""
    stack = f"pr-{number}"
    pulumi(world, "pulumi", "destroy", "--stack", stack, "--yes", "--skip-preview", *options)


def once(world: World, number: int, mode: str, run: int) -> dict[str, float]:
    """Return the seconds of each step in the life of a preview."""
    pulumi(world, "pulumi", "stack", "init", f"pr-{number}")
    taken = {"first": seconds(lambda: up(world, number, mode))}
    taken["same"] = seconds(lambda: up(world, number, mode))
    (world.checkout / "service" / "bench.py").write_text(f'"""Run {run} in mode {mode}."""\n')
    taken["push"] = seconds(lambda: up(world, number, mode))
    taken["destroy"] = seconds(lambda: destroy(world, number))
    return taken


def empty_up(world: World, folder: Path) -> Callable[[], object]:
    """Return a function that runs ``pulumi up`` of an empty program."""
    project = folder / "empty"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (project / "__main__.py").touch()
    pulumi(world, "pulumi", "stack", "init", _EMPTY, cwd=project)
    return lambda: pulumi(world, *pulumi_up(_EMPTY), cwd=project)


def draw_timelines(world: World, numbers: Mapping[str, int]) -> None:
    """Draw timelines of a new preview and of its destruction for the report."""
    text = "## Where the time goes\n"
    for mode, number in numbers.items():
        pulumi(world, "pulumi", "stack", "init", f"pr-{number}")
        for title, command in (
            ("A new preview", partial(up, world, number, mode)),
            ("Its destroy", partial(destroy, world, number)),
        ):
            works = timeline.record(lambda log, run=command: run("--event-log", str(log)))
            text += f"\n{title}, mode {mode}:\n\n```text\n{timeline.draw(works)}\n```\n"
    TIMELINES.write_text(text)


def cost(world: World, stack: str) -> Cost:
    """Return the cost of a stack, from its state and the dated prices."""
    state = read_state(stack, json.loads(pulumi(world, "pulumi", "stack", "export", "-s", stack)))
    found = summarize(state, region=_REGION, prices=read_prices()).cost
    if found is None:
        message = f"{stack}: previews/reporting/prices.toml does not have its region or sizes"
        raise SystemExit(message)
    return found


def both(world: World, results: Results, folder: Path) -> None:
    """Measure both modes and an empty program in turns, so that noise affects all alike."""
    numbers = dict(zip(MODES, (_FIRST_NUMBER, _FIRST_NUMBER + 1), strict=True))
    # The server of mode branch is created only once, and the image is built.
    for mode, number in numbers.items():
        world.sandbox("preview", str(number), "--database", mode)
    a_month = {mode: cost(world, f"pr-{n}").a_month * _PREVIEWS for mode, n in numbers.items()}
    shared = cost(world, server_of(world, f"pr-{numbers['branch']}"))
    a_month["branch"] += shared.a_month
    for number in numbers.values():
        world.sandbox("destroy", str(number))
    draw_timelines(world, numbers)
    nothing = empty_up(world, folder)
    empty: list[float] = []
    taken: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
    for run in range(_RUNS):
        for mode, number in numbers.items():
            empty.append(seconds(nothing))
            pulumi(world, "pulumi", "stack", "rm", "--yes", f"pr-{number}")
            taken[mode].append(once(world, number, mode, run))
    results.add("empty", "`pulumi up` of a program that declares nothing", "s", empty)
    for mode in MODES:
        for step, what in _STEPS.items():
            each = [steps[step] for steps in taken[mode]]
            results.add(f"{step}-{mode}", f"{what}, mode {mode}", "s", each)
            ratios = [value / statistics.median(empty) for value in each]
            what_ratio = f"{what}, mode {mode}, against an empty program"
            results.add(f"ratio-{step}-{mode}", what_ratio, "ratio", ratios, _GOALS[mode][step])
    seen = max(source.seen for source in read_prices().sources.values())
    for mode in MODES:
        what = (
            f"{_PREVIEWS} previews for a month, mode {mode}, {_DATABASES[mode]},"
            f" by previews/reporting/prices.toml of {seen}, {_REGION}"
        )
        results.add(f"cost-{mode}", what, "$", [float(a_month[mode])])


def main() -> None:
    """Measure these figures only, on a sandbox of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-modes-") as folder,
        new_world(Path(folder)) as world,
    ):
        world.sandbox("staging")
        both(world, Results.read(), Path(folder))


if __name__ == "__main__":
    main()
