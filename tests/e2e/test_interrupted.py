"""Runs that are interrupted or killed: one more run converges."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from tests.e2e import customers
from tests.e2e.inventory import everything
from tests.e2e.namespaces import ends, held_by_a_finalizer
from tests.e2e.test_push import changed
from tests.e2e.waiting import reached
from tests.e2e.world import World
from tests.waiting import eventually


def the_whole_command(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    """Signal every process of the foreground group, as Ctrl-C in a terminal does."""
    os.killpg(process.pid, sent)


def everything_below(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    """Kill all processes, as a machine without memory or power does."""
    root = psutil.Process(process.pid)
    for each in [root, *root.children(recursive=True)]:
        _send(each, sent)


def pulumi_alone(process: subprocess.Popen[str], sent: signal.Signals) -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        _send(child, sent, named="pulumi")


def _send(process: psutil.Process, sent: signal.Signals, *, named: str = "") -> None:
    """Send a signal, unless the process has ended by itself or has another name."""
    with suppress(psutil.NoSuchProcess):
        if process.name() == (named or process.name()):
            process.send_signal(sent)


MOMENTS = ["aws:rds/instance:Instance", "batch/v1:Job", "apps/v1:Deployment"]


# Each signal at another moment: `make kill-each` goes through every moment there is.
@pytest.mark.parametrize(
    ("send", "sent", "moment"),
    [
        pytest.param(the_whole_command, signal.SIGINT, MOMENTS[0], id="ctrl-c"),
        pytest.param(everything_below, signal.SIGKILL, MOMENTS[1], id="kill-9 of all"),
        pytest.param(pulumi_alone, signal.SIGKILL, MOMENTS[2], id="kill-9 of pulumi"),
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
    assert world.locks() == []
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
    everything_below(process, signal.SIGKILL)
    process.communicate()
    world.sandbox("destroy", "46")
    assert everything(world) == before


NO_PROGRAM = "raise SystemExit('a destroy has no need of the program')\n"


def test_a_destroy_that_was_killed_is_finished_by_a_destroy(world: World, number: int) -> None:
    """It ran an `up` first, which made a database anew and failed on what was being removed."""
    stack, before = f"pr-{number}", everything(world)
    world.sandbox("preview", str(number))
    with held_by_a_finalizer(world, stack):
        process = world.start("destroy", str(number))
        eventually(lambda: ends(world, stack), f"{stack} is being removed")
        everything_below(process, signal.SIGKILL)
        process.communicate()
    with changed(world, "infra/stacks/__init__.py", NO_PROGRAM):
        world.sandbox("destroy", str(number))
    assert everything(world) == before
