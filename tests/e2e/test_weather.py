"""Bad input and bad weather: one clear message with what to do, and nothing lost."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sandbox.supervisor import ProcessState, read_status
from sandbox.system import runs
from tests.e2e import customers
from tests.e2e.world import World
from tests.waiting import eventually


@pytest.fixture
def number(standing: Callable[[str], int], mode: str) -> int:
    """One preview of each mode serves all tests: each leaves it as able to serve as it was."""
    return standing(mode)


@pytest.fixture
def preview(number: int) -> str:
    return f"pr-{number}"


def one_message(output: str, *words: str) -> None:
    """Check that a failure is one message with a name and a remedy, without a traceback."""
    assert "Traceback" not in output
    assert output.count("What to do:") == 1, output
    for word in words:
        assert word in output, f"{word!r} is not in:\n{output}"


@pytest.fixture
def elsewhere(world: World, tmp_path: Path) -> Iterator[World]:
    """A sandbox that was never started, with a folder of its own."""
    settings = world.settings.model_copy(update={"home": tmp_path / "elsewhere"})
    other = replace(world, settings=settings)
    yield other
    other.sandbox("reset", "--yes")


def test_a_port_in_use(elsewhere: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = elsewhere.settings.model_copy(update={"http_port": port})
        output = replace(elsewhere, settings=settings).sandbox("up", fails=True)
    one_message(output, f"port 127.0.0.1:{port}", f"pid {os.getpid()}", "SANDBOX_HTTP_PORT")


def test_another_sandbox_on_the_same_addresses(elsewhere: World) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = elsewhere.settings.model_copy(update={"http_port": port})
    output = replace(elsewhere, settings=settings).sandbox("up", fails=True)
    one_message(output, "is in use by")


def test_a_running_sandbox_asked_for_another_port(world: World) -> None:
    settings = world.settings.model_copy(update={"http_port": world.settings.http_port - 1})
    output = replace(world, settings=settings).sandbox("up", fails=True)
    one_message(output, "http_port", "sandbox reset --yes")


def test_a_setting_that_makes_no_sense(world: World) -> None:
    output = replace(world, extra={"SANDBOX_SUBNET": "10.0.0.0/8"}).sandbox("status", fails=True)
    one_message(output, "SANDBOX_SUBNET", "/16 inside 127.0.0.0/8")


def test_a_stale_pid_file(elsewhere: World) -> None:
    run = elsewhere.settings.home / "run"
    run.mkdir(parents=True)
    (run / "supervisor.json").write_text('{"pid": 1, "created": 1.0}')
    (run / "supervisor.lock").touch()
    assert "was not running" in elsewhere.sandbox("down")
    assert psutil.pid_exists(1)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk(elsewhere: World) -> None:
    home = elsewhere.settings.home
    home.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", home], check=True)
    try:
        one_message(elsewhere.sandbox("up", fails=True), str(home), "GiB are free", "SANDBOX_HOME")
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.parametrize(
    "name", ["PR-42", "pr-042", "pr-0", "production", "pr-" + "4" * 67], ids=lambda name: name[:10]
)
def test_a_stack_name_that_is_none(world: World, name: str) -> None:
    try:
        world.run("pulumi", "stack", "init", name)
        output = world.run("pulumi", "up", "--stack", name, "--yes", "--skip-preview", fails=True)
    finally:
        world.run("pulumi", "stack", "rm", name, "--yes")
    assert "staging" in output
    assert "pr-<n>" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", ["0", "-3", "forty-two"])
def test_a_pull_request_that_is_none(world: World, number: str) -> None:
    one_message(world.sandbox("preview", "--", number, fails=True), repr(number))


def processes_that_run(world: World) -> list[str]:
    return [row.name for row in read_status(world.settings) if row.pid]


def pid_of(world: World, name: str) -> int | None:
    """Return the pid of a process that is ready, None while it is between two."""
    (row,) = [row for row in read_status(world.settings) if row.name == name]
    return row.pid if row.state is ProcessState.READY else None


def test_every_process_comes_back_after_a_kill(world: World, preview: str, number: int) -> None:
    """Each killed in turn, as the kernel does when memory is short; nothing is lost."""
    with world.client(preview) as client:
        written = customers.create(client)["id"]
    for name in processes_that_run(world):
        before = eventually(lambda name=name: pid_of(world, name), f"{name} runs")
        psutil.Process(before).kill()

        def is_back(name: str = name, before: int = before) -> bool:
            rows = {row.name: row for row in read_status(world.settings)}
            return rows[name].pid != before and all(
                row.state is ProcessState.READY for row in rows.values()
            )

        eventually(is_back, f"{name} is back, and every process with it")
    world.sandbox("preview", str(number))
    with world.client(preview) as client:
        assert customers.exists(client, written)


def test_a_killed_sandbox_starts_again_with_everything(
    world: World, preview: str, number: int
) -> None:
    with world.client(preview) as client:
        written = customers.create(client)["id"]
    (supervisor, *below) = world.processes()
    supervisor.kill()
    _, alive = psutil.wait_procs([supervisor, *below], timeout=20)
    assert alive == []

    world.sandbox("preview", str(number))
    with world.client(preview) as client:
        assert customers.exists(client, written)
        customers.crud_round_trip(client)


def test_down_stops_everything_and_up_goes_on(world: World, preview: str, number: int) -> None:
    with world.client(preview) as client:
        written = customers.create(client)["id"]
    processes = world.processes()
    world.sandbox("down")
    _, alive = psutil.wait_procs(processes, timeout=5)
    # One that ended and that init has not reaped yet is listed, but runs no more.
    assert [process for process in alive if runs(process.pid)] == []
    assert "not running" in world.sandbox("status")

    world.sandbox("preview", str(number))
    with world.client(preview) as client:
        assert customers.exists(client, written)
