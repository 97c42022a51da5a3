"""Start, stop and reset of the sandbox as a whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox import environment
from sandbox.errors import SandboxError
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.supervisor import (
    ProcessState,
    ProcessStatus,
    is_running,
    last_lines,
    lock_path,
    read_status,
    status_path,
)
from sandbox.system import ProcessIdentity, require_free, write_atomically

_POLL_SECONDS = 0.05
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_GIVE_UP_AFTER_RESTARTS = 4
_FREE_BYTES_NEEDED = 1 << 30


def start(settings: Settings, watch: Callable[[Sequence[ProcessStatus]], None]) -> None:
    """Start the supervisor unless it runs, and wait until every process is ready.

    Args:
        settings: The sandbox to start.
        watch: Called every 50 ms with the processes' status.

    Raises:
        SandboxError: The disk is nearly full, a port is taken, the state was
            made with other settings, or a process does not start.
    """
    _require_disk(settings)
    _require_same_settings(settings)
    environment.prepare(settings)
    if not is_running(settings):
        require_free("127.0.0.1", settings.http_port, remedy=_HTTP_PORT_REMEDY)
        _launch(settings)
    _await_ready(settings, watch)


def _launch(settings: Settings) -> None:
    status_path(settings).unlink(missing_ok=True)
    write_atomically(_settings_path(settings), settings.model_dump_json())
    log = settings.logs / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "sandbox.daemon"],
            env={
                **os.environ,
                **settings.environment,
                # With the bytecode kept, a restart after a failure is faster.
                "PYTHONDONTWRITEBYTECODE": "",
            },
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_ready(settings: Settings, watch: Callable[[Sequence[ProcessStatus]], None]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        processes = read_status(settings)
        watch(processes)
        if processes and all(process.state is ProcessState.READY for process in processes):
            return
        _check_progress(settings, processes, deadline)
        time.sleep(_POLL_SECONDS)


def _check_progress(
    settings: Settings, processes: Sequence[ProcessStatus], deadline: float
) -> None:
    for process in processes:
        if process.state is ProcessState.RESTARTING and process.restarts >= _GIVE_UP_AFTER_RESTARTS:
            raise SandboxError(
                f"process {process.name}",
                why=f"it keeps failing: {process.detail}",
                remedy=f"read `sandbox logs {process.name}`; the supervisor keeps restarting it.",
            )
    if time.monotonic() > deadline:
        waiting = ", ".join(
            f"{p.name} ({p.detail or p.state})"
            for p in processes
            if p.state is not ProcessState.READY
        )
        raise SandboxError(
            "sandbox",
            why=f"not ready after {_START_SECONDS:.0f} s: {waiting or 'no supervisor'}. "
            + last_lines(settings.logs / "supervisor.log", 5),
            remedy="read `sandbox logs` of that process, then run the command again.",
        )


def stop(settings: Settings) -> bool:
    """Stop every process; the state is kept.

    Returns:
        True if the sandbox was running.
    """
    identity = ProcessIdentity.read(settings.home / "run" / "supervisor.json")
    if not is_running(settings):
        return False
    if identity is None or not identity.is_alive():
        raise SandboxError(
            f"sandbox in {settings.home}",
            why=f"another process than the recorded supervisor holds {lock_path(settings)}",
            remedy=f"find that process with `fuser {lock_path(settings)}`, and stop it.",
        )
    os.kill(identity.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(settings) or identity.is_alive():
        if time.monotonic() > deadline:
            # The kernel ends its processes with it (PR_SET_PDEATHSIG).
            os.kill(identity.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return True


def reset(settings: Settings) -> None:
    """Stop the sandbox and delete all its state; the built tools stay in the cache."""
    stop(settings)
    if settings.home.exists():
        shutil.rmtree(settings.home)


def _require_disk(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    if free < _FREE_BYTES_NEEDED:
        raise SandboxError(
            f"disk of {settings.home}",
            why=f"{free / 2**30:.1f} GiB are free, and 1 GiB is needed for databases and images",
            remedy="free some space, or put the state elsewhere with SANDBOX_HOME=<folder>.",
        )


def _require_same_settings(settings: Settings) -> None:
    """Reject settings other than those that databases, certificates and stacks were made with."""
    path = _settings_path(settings)
    if not path.exists():
        return
    made = Settings.model_validate_json(path.read_text())
    other = [
        f"{name} was {getattr(made, name)}, now it is {getattr(settings, name)}"
        for name in Settings.model_fields
        if name != "cache" and getattr(made, name) != getattr(settings, name)
    ]
    if other:
        raise SandboxError(
            f"sandbox in {settings.home}",
            why=f"it was created with other settings: {'; '.join(other)}",
            remedy="set them as they were, or delete its state with `sandbox reset --yes`.",
        )


def _settings_path(settings: Settings) -> Path:
    return settings.home / "settings.json"


_HTTP_PORT_REMEDY = (
    "stop that process, or choose another port: SANDBOX_HTTP_PORT=8090 make preview PR=42."
)
