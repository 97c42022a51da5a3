"""Runs that are interrupted or killed: one more run converges."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.e2e import customers
from tests.e2e.inventory import everything
from tests.e2e.world import World

pytestmark = pytest.mark.e2e


def eventually(condition: Callable[[], bool], what: str) -> None:
    Retrying(
        retry=retry_if_result(lambda held: not held),
        stop=stop_after_delay(60),
        wait=wait_fixed(0.01),
        retry_error_callback=lambda _: pytest.fail(f"never: {what}"),
    )(condition)


def state_file(world: World, stack: str) -> Path:
    return (
        world.settings.home
        / "pulumi"
        / "state"
        / ".pulumi"
        / "stacks"
        / "previews"
        / f"{stack}.json"
    )


def locks(world: World) -> list[Path]:
    return list((world.settings.home / "pulumi" / "state" / ".pulumi" / "locks").rglob("*.json"))


def reached(world: World, stack: str, resource: str) -> Callable[[], bool]:
    """Whether the stack's state speaks of a resource, begun or done."""
    return lambda: (
        state_file(world, stack).exists() and resource in state_file(world, stack).read_text()
    )


def the_whole_command(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    """What Ctrl-C in a terminal does: every process of the foreground group is signalled."""
    os.killpg(process.pid, sent)


def pulumi_alone(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.name() == "pulumi":
            child.send_signal(sent)


MOMENTS = ["aws:rds/instance:Instance", "batch/v1:Job", "apps/v1:Deployment"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("send", "sent"),
    [
        pytest.param(the_whole_command, signal.SIGINT, id="ctrl-c"),
        pytest.param(the_whole_command, signal.SIGKILL, id="kill-9 of all"),
        pytest.param(pulumi_alone, signal.SIGKILL, id="kill-9 of pulumi"),
    ],
)
def test_one_more_run_converges(
    world: World,
    number: int,
    send: Callable[[subprocess.Popen[str], signal.Signals], None],
    sent: signal.Signals,
    moment: str,
) -> None:
    stack = f"pr-{number}"
    before = everything(world)

    process = world.start("preview", str(number))
    eventually(reached(world, stack, moment), f"{moment} in the state of {stack}")
    send(process, sent)
    process.communicate()
    assert process.returncode != 0

    world.sandbox("preview", str(number))
    assert locks(world) == []
    with world.client(stack) as client:
        customers.crud_round_trip(client)
    made = everything(world) - before
    for once in (f"aws rds:db {stack}", f"kubernetes namespaces /{stack}"):
        assert sum(line == once for line in made) == 1, f"{once} in {sorted(made)}"

    world.sandbox("destroy", str(number))
    assert everything(world) == before


def test_destroy_takes_what_a_killed_up_had_made(world: World) -> None:
    before = everything(world)
    process = world.start("preview", "46")
    eventually(reached(world, "pr-46", MOMENTS[0]), "the database is begun")
    the_whole_command(process, signal.SIGKILL)
    process.communicate()
    world.sandbox("destroy", "46")
    assert everything(world) == before
