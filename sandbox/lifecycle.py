"""Starting, awaiting, stopping and forgetting the sandbox as a whole."""

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
from sandbox.processes import ProcessIdentity, require_free, write_atomically
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.supervisor import (
    PartStatus,
    State,
    is_running,
    last_lines,
    lock_path,
    read_status,
    status_path,
)

_POLL_SECONDS = 0.05
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_GIVE_UP_AFTER_RESTARTS = 4
_FREE_BYTES_NEEDED = 1 << 30


def start(settings: Settings, watch: Callable[[Sequence[PartStatus]], None]) -> None:
    """Start the supervisor unless it runs, and wait until every part is ready.

    Args:
        settings: The sandbox to start.
        watch: Called with the parts' status whenever it is looked at.

    Raises:
        SandboxError: When the disk is nearly full, a port is taken, the state was
            made with other settings, or a part does not come up.
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
                # Parts are started again after a failure: not without their bytecode.
                "PYTHONDONTWRITEBYTECODE": "",
            },
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_ready(settings: Settings, watch: Callable[[Sequence[PartStatus]], None]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        parts = read_status(settings)
        watch(parts)
        if parts and all(part.state is State.READY for part in parts):
            return
        _require_hope(settings, parts, deadline)
        time.sleep(_POLL_SECONDS)


def _require_hope(settings: Settings, parts: Sequence[PartStatus], deadline: float) -> None:
    for part in parts:
        if part.state is State.RESTARTING and part.restarts >= _GIVE_UP_AFTER_RESTARTS:
            raise SandboxError(
                f"sandbox part {part.name}",
                why=f"it does not stay up: {part.detail}",
                remedy=f"read `sandbox logs {part.name}`; the sandbox goes on trying.",
            )
    if time.monotonic() > deadline:
        waiting = [f"{p.name} ({p.detail or p.state})" for p in parts if p.state is not State.READY]
        raise SandboxError(
            "sandbox",
            why=f"not ready after {_START_SECONDS:.0f} s: {', '.join(waiting) or 'no supervisor'}. "
            + last_lines(settings.logs / "supervisor.log", 5),
            remedy="read `sandbox logs` of the part named, then run the command again.",
        )


def stop(settings: Settings) -> bool:
    """Stop every part; the state stays.

    Returns:
        Whether there was anything to stop.
    """
    identity = ProcessIdentity.read(settings.home / "run" / "supervisor.json")
    if not is_running(settings):
        return False
    if identity is None or not identity.is_alive():
        raise SandboxError(
            f"sandbox in {settings.home}",
            why=f"something holds {lock_path(settings)}, and it is not the supervisor on record",
            remedy=f"see who it is with `fuser {lock_path(settings)}`.",
        )
    os.kill(identity.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(settings) or identity.is_alive():
        if time.monotonic() > deadline:
            # Its parts end with it, by the kernel's word (PR_SET_PDEATHSIG).
            os.kill(identity.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return True


def forget(settings: Settings) -> None:
    """Stop the sandbox and remove all its state; the built tools stay in the cache."""
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
    """Refuse settings that databases, certificates and stacks were not made with."""
    path = _settings_path(settings)
    if not path.exists():
        return
    made = Settings.model_validate_json(path.read_text())
    other = [
        f"{name} is {getattr(made, name)}, asked for {getattr(settings, name)}"
        for name in Settings.model_fields
        if name != "cache" and getattr(made, name) != getattr(settings, name)
    ]
    if other:
        raise SandboxError(
            f"sandbox in {settings.home}",
            why=f"it was made with other settings: {'; '.join(other)}",
            remedy="ask for the same, or forget it with `sandbox reset --yes`.",
        )


def _settings_path(settings: Settings) -> Path:
    return settings.home / "settings.json"


_HTTP_PORT_REMEDY = (
    "stop that process, or choose another port: SANDBOX_HTTP_PORT=8090 make preview PR=42."
)
