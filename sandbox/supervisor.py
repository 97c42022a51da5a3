"""Supervisor: the process that keeps all others of the sandbox running.

Each process ends with its supervisor, even if that is killed: there is nothing to clean up
before the next start. `sandbox status` shows the status file that it writes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from sandbox.errors import SandboxError
from sandbox.process import Process
from sandbox.settings import Settings
from sandbox.system import end_with_parent, require_free, write_atomically

_TICK_SECONDS = 0.05
_FIRST_BACKOFF_SECONDS = 0.5
_LAST_BACKOFF_SECONDS = 30.0
_STEADY_AFTER_SECONDS = 60.0


class ProcessState(StrEnum):
    """State of a process."""

    WAITING = "waiting"  # for the processes that it depends on
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass
class ProcessStatus:
    """One row of ``sandbox status``."""

    name: str
    state: ProcessState
    pid: int | None = None
    restarts: int = 0
    detail: str = ""


class _Keeper:
    """Starts one process, watches it, and starts it again."""

    def __init__(self, process: Process, settings: Settings) -> None:
        self.process = process
        self.status = ProcessStatus(process.name, ProcessState.WAITING)
        self._log_path = settings.logs / f"{process.name}.log"
        self._running: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._next_start = 0.0
        self._backoff = _FIRST_BACKOFF_SECONDS

    def tick(self, ready: set[str]) -> None:
        if self._running is not None:
            self._watch(self._running)
        elif self.status.state is ProcessState.READY:
            return  # A task that is done.
        elif not ready.issuperset(self.process.depends_on):
            missing = sorted(set(self.process.depends_on) - ready)
            self.status.detail = f"for {', '.join(missing)}"
        elif time.monotonic() >= self._next_start:
            self._start()

    def _start(self) -> None:
        try:
            for address, port in self.process.listens:
                require_free(address, port, remedy=_PORT_REMEDY)
        except SandboxError as error:
            self._retry_later(f"{error.what}: {error.why}")
            return
        with self._open_log() as log:
            self._running = subprocess.Popen(
                self.process.argv,
                env={**os.environ, **self.process.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - this process has one thread
            )
        self._started = time.monotonic()
        self.status.pid = self._running.pid
        self.status.state = ProcessState.STARTING
        self.status.detail = ""

    def _open_log(self) -> IO[bytes]:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        return self._log_path.open("ab")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is not None:
            self._ended(code)
        elif self.status.state is ProcessState.STARTING and not self.process.oneshot:
            waiting_for = self.process.ready()
            self.status.detail = waiting_for or ""
            if waiting_for is None:
                self.status.state = ProcessState.READY
        elif time.monotonic() - self._started > _STEADY_AFTER_SECONDS:
            self._backoff = _FIRST_BACKOFF_SECONDS

    def _ended(self, code: int) -> None:
        self._running = None
        self.status.pid = None
        if self.process.oneshot and code == 0:
            self.status.state = ProcessState.READY
            self.status.detail = "done"
            return
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        self._retry_later(f"ended with {how}: {last_lines(self._log_path, 3)}")

    def _retry_later(self, why: str) -> None:
        self.status.restarts += 1
        self.status.state = ProcessState.RESTARTING
        self.status.detail = why
        self._next_start = time.monotonic() + self._backoff
        self._backoff = min(self._backoff * 2, _LAST_BACKOFF_SECONDS)

    def stop(self) -> None:
        if self._running is not None:
            _signal_group(self._running, signal.SIGTERM)
            try:
                self._running.wait(self.process.stop_seconds)
            except subprocess.TimeoutExpired:
                _signal_group(self._running, signal.SIGKILL)
                self._running.wait()
            self._running = None
        self.status = ProcessStatus(self.process.name, ProcessState.STOPPED)


class Supervisor:
    """Runs processes in the order of their dependencies, and stops them in reverse."""

    def __init__(self, processes: Sequence[Process], settings: Settings) -> None:
        self._settings = settings
        self._keepers = [_Keeper(process, settings) for process in _in_order(processes)]
        self._stopping = False
        self._written = ""

    def run(self) -> None:
        """Keep the processes running until SIGTERM or SIGINT."""
        self.handle_signals()
        while not self._stopping:
            self._tick()
            time.sleep(_TICK_SECONDS)
        for keeper in reversed(self._keepers):
            keeper.stop()
            self._write_status()

    def handle_signals(self) -> None:
        """Make SIGTERM and SIGINT end the loop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self.stop_soon())

    def stop_soon(self) -> None:
        """End the loop after this turn, then stop every process."""
        self._stopping = True

    def _tick(self) -> None:
        ready = {k.process.name for k in self._keepers if k.status.state is ProcessState.READY}
        for keeper in self._keepers:
            keeper.tick(ready)
        self._write_status()

    def _write_status(self) -> None:
        text = json.dumps([asdict(keeper.status) for keeper in self._keepers])
        if text == self._written:
            return
        write_atomically(status_path(self._settings), text)
        self._written = text


def _in_order(processes: Sequence[Process]) -> list[Process]:
    """Sort processes so that each follows all those in its ``depends_on``."""
    left = {process.name: process for process in processes}
    ordered: list[Process] = []
    while left:
        free = [p for p in left.values() if not left.keys() & set(p.depends_on)]
        if not free:
            msg = f"processes wait for each other: {', '.join(sorted(left))}"
            raise ValueError(msg)
        ordered += free
        for process in free:
            del left[process.name]
    return ordered


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the process and its children: each process leads its own session."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


_PORT_REMEDY = (
    "stop that process, or choose others with SANDBOX_HTTP_PORT=<port> (the load balancer)"
    " or SANDBOX_SUBNET=127.<n>.0.0/16 (everything else)."
)


def last_lines(path: Path, count: int) -> str:
    """Return the last non-empty lines of a log, joined by newlines."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line for line in lines if line.strip()][-count:])


def status_path(settings: Settings) -> Path:
    """Return the path of the status file, which ``sandbox status`` shows."""
    return settings.home / "run" / "status.json"


def read_status(settings: Settings) -> list[ProcessStatus]:
    """Return the status that the supervisor wrote last; empty if it never ran."""
    try:
        rows = json.loads(status_path(settings).read_text())
    except (OSError, ValueError):
        return []
    return [ProcessStatus(**{**row, "state": ProcessState(row["state"])}) for row in rows]


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the supervisor's lock; the kernel releases it however the process ends.

    Raises:
        SandboxError: Another supervisor holds it.
    """
    path = lock_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SandboxError(
                f"sandbox in {settings.home}",
                why="it is already running",
                remedy="use it, or stop it with `sandbox down`.",
            ) from error
        yield


def is_running(settings: Settings) -> bool:
    """Return True if a live supervisor holds the lock; a stale file does not count."""
    try:
        with lock_path(settings).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def lock_path(settings: Settings) -> Path:
    """Return the path of the file that a running supervisor keeps locked."""
    return settings.home / "run" / "supervisor.lock"
