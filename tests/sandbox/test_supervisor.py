from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.errors import SandboxError
from sandbox.process import Process
from sandbox.settings import Settings
from sandbox.supervisor import (
    ProcessState,
    ProcessStatus,
    Supervisor,
    is_running,
    last_lines,
    only_one,
    read_status,
)
from tests.waiting import eventually

FOREVER = "import signal; print('up', flush=True); signal.pause()"


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def run(settings: Settings) -> Iterator[Callable[..., None]]:
    """Runs a supervisor's loop beside the test; stops it, with its processes, at the end."""
    running: list[tuple[Supervisor, threading.Thread]] = []

    def begin(*processes: Process) -> None:
        supervisor = Supervisor(processes, settings)
        # Signal handlers belong to the main thread, and death signals to the
        # thread that starts the processes, which is this one until it is joined.
        supervisor.handle_signals = lambda: None  # type: ignore[method-assign]
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        running.append((supervisor, thread))

    yield begin
    for supervisor, thread in running:
        supervisor.stop_soon()
        thread.join()


def status(settings: Settings, name: str) -> ProcessStatus:
    found = [process for process in read_status(settings) if process.name == name]
    return found[0] if found else ProcessStatus(name, ProcessState.WAITING)


def test_a_process_starts_only_when_those_it_comes_after_are_ready(
    settings: Settings, run: Callable[..., None], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = Process("first", python(FOREVER), ready=lambda: None if gate.exists() else "the gate")
    second = Process("second", python(FOREVER), depends_on=("first",))
    run(second, first)
    eventually(lambda: status(settings, "first").detail == "the gate", "first waits for the gate")
    assert status(settings, "second").state is ProcessState.WAITING
    assert status(settings, "second").detail == "for first"
    gate.touch()
    eventually(lambda: status(settings, "second").state is ProcessState.READY, "second is ready")


def test_a_killed_process_is_started_again(settings: Settings, run: Callable[..., None]) -> None:
    run(Process("process", python(FOREVER)))
    eventually(lambda: status(settings, "process").state is ProcessState.READY, "ready")
    before = status(settings, "process").pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    eventually(
        lambda: (
            (now := status(settings, "process")).state is ProcessState.READY and now.pid != before
        ),
        "ready with another pid",
    )
    assert status(settings, "process").restarts == 1


def test_a_process_that_fails_says_how_and_its_last_lines(
    settings: Settings, run: Callable[..., None]
) -> None:
    run(Process("process", python("import sys; print('no such disk'); sys.exit(3)")))
    why = "ended with exit code 3: no such disk"
    eventually(
        lambda: (
            (now := status(settings, "process")).state is ProcessState.RESTARTING
            and now.restarts > 0
            and now.detail.startswith(why)  # Its log holds the lines of each attempt.
        ),
        f"it is started again, since it {why}",
    )


def test_a_task_is_ready_once_it_has_ended_well_and_runs_once(
    settings: Settings, run: Callable[..., None]
) -> None:
    run(
        Process("task", python("print('ran')"), oneshot=True),
        Process("process", python(FOREVER), depends_on=("task",)),
    )
    eventually(
        lambda: status(settings, "process").state is ProcessState.READY, "the process behind it"
    )
    assert status(settings, "task").detail == "done"
    assert (settings.logs / "task.log").read_text() == "ran\n"


def test_a_taken_port_is_named_with_its_holder(
    settings: Settings, run: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        run(Process("process", python(FOREVER), listens=(("127.0.0.1", port),)))
        taken, by = f"port 127.0.0.1:{port}", f"pid {os.getpid()}"
        eventually(
            lambda: taken in (why := status(settings, "process").detail) and by in why,
            "it names the port and its holder",
        )
    eventually(
        lambda: status(settings, "process").state is ProcessState.READY, "ready once it is free"
    )


def test_processes_that_wait_for_each_other_are_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        Supervisor(
            [Process("a", (), depends_on=("b",)), Process("b", (), depends_on=("a",))], settings
        )


DAEMON = """
import sys
from sandbox.process import Process
from sandbox.settings import Settings
from sandbox.supervisor import Supervisor, only_one
settings = Settings()
with only_one(settings):
    Supervisor([Process("process", (sys.executable, "-S", "-c", {code!r}))], settings).run()
"""


@pytest.fixture
def daemon(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON.format(code=FOREVER)],
        env={**os.environ, "SANDBOX_HOME": str(settings.home)},
    )
    eventually(lambda: status(settings, "process").state is ProcessState.READY, "ready")
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_nothing_outlives_a_killed_supervisor(
    settings: Settings, daemon: subprocess.Popen[bytes]
) -> None:
    process = status(settings, "process").pid
    assert process is not None
    assert is_running(settings)
    daemon.kill()
    daemon.wait()
    eventually(lambda: not psutil.pid_exists(process), "the process ended with its supervisor")
    assert not is_running(settings)


def test_a_stopped_supervisor_stops_its_processes_and_says_so(
    settings: Settings, daemon: subprocess.Popen[bytes]
) -> None:
    process = status(settings, "process").pid
    assert process is not None
    daemon.terminate()
    assert daemon.wait() == 0
    assert not psutil.pid_exists(process)
    assert status(settings, "process").state is ProcessState.STOPPED


@pytest.mark.usefixtures("daemon")
def test_a_second_supervisor_is_refused(settings: Settings) -> None:
    with pytest.raises(SandboxError, match="already running"), only_one(settings):
        pass


def test_a_lock_file_without_its_holder_means_nothing(settings: Settings) -> None:
    with only_one(settings):
        assert is_running(settings)
    assert not is_running(settings)
    with only_one(settings):
        pass


def test_a_status_file_that_is_cut_short_counts_as_none(settings: Settings) -> None:
    path = settings.home / "run" / "status.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"name": "process", "state": "ready"}])[:-3])
    assert read_status(settings) == []


def test_last_lines_are_the_last_ones_that_say_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\n\nthree\n\n")
    assert last_lines(log, 2) == "two\nthree"
    assert last_lines(tmp_path / "none", 2) == ""
