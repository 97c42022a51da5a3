"""Staging's data on a sandbox: by the app's own command, from SQL, or from a dump.

``preview.yaml`` names it in ``sandbox.staging``; without that the command of ``hooks.seed`` makes
it. It is staging's as any other's: what previews get is a scrubbed copy.
"""

from __future__ import annotations

import base64
import configparser
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.kubernetes import MIGRATE, MIGRATOR_SECRET, NAME_LABEL, SERVICE
from sandbox import psql
from sandbox.errors import SandboxError
from sandbox.kubectl import kubectl, read
from sandbox.postgres.binaries import client_folder
from sandbox.settings import Settings
from sandbox.system import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.app.model import App
    from contract.stack_name import StackName

_JOB = "seed"
_SECONDS = 300
_ENDED = {"Complete", "Failed"}
# Of a container that serves; a Job's has none of them.
_SERVING = {"args", "ports", "lifecycle", "startupProbe", "readinessProbe", "livenessProbe"}


def fill(settings: Settings, stack: StackName, app: App, folder: Path, console: Console) -> None:
    """Give staging its data.

    A command may find what an interrupted run of it left; SQL and a dump are one transaction each.

    Args:
        settings: The sandbox.
        stack: The app's staging.
        app: The app's description.
        folder: Folder of its files.
        console: The terminal.

    Raises:
        SandboxError: The command, the file or the dump fails.
    """
    source = app.sandbox.staging
    command = source.command or (app.hooks.seed.command if app.hooks.seed else None)
    with console.status(f"{stack}: making its data"):
        if source.sql is not None:
            _run_client(settings, stack, "psql", _SQL, folder / source.sql)
        elif source.dump is not None:
            _run_client(settings, stack, "pg_restore", _DUMP, folder / source.dump)
        elif command is not None:
            _run_command(settings, stack, command)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_atomically(_filled(settings, stack), now)


def ended(settings: Settings, stack: StackName) -> str:
    """Return when staging had its data, as ``2026-11-27T10:15:00Z``."""
    return _filled(settings, stack).read_text()


def _filled(settings: Settings, stack: StackName) -> Path:
    return settings.home / f"{stack}.filled"


_SQL = ("--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction", "--file")
_DUMP = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")


def _run_client(
    settings: Settings, stack: StackName, program: str, options: Sequence[str], file: Path
) -> None:
    """Run a client of PostgreSQL on a file, as the role that owns the schema."""
    if not file.is_file():
        raise SandboxError(
            str(file),
            why="preview.yaml names it in sandbox.staging, and there is no such file",
            remedy="create it, or name another one, then run the command again.",
        )
    services = settings.home / "psql" / f"{stack}-filling.conf"
    _write_service(settings, stack, services)
    target = f"--dbname=service={stack}"
    try:
        result = subprocess.run(
            [client_folder() / program, target, *options, file],
            env={**os.environ, "PGSERVICEFILE": str(services)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        services.unlink(missing_ok=True)
    if result.returncode:
        raise SandboxError(
            f"data of {stack} from {file}",
            why=f"{program} refuses it: {result.stderr.strip()[-2000:]}",
            remedy="correct the file, then run the command again; nothing of it was kept.",
        )


def _write_service(settings: Settings, stack: StackName, path: Path) -> None:
    """Write a service file with the login of the role that migrates, in place of the master's."""
    connection = login(settings, stack)
    connection["dbname"] = connection.pop("name")
    lines = [f"{key}={value}" for key, value in connection.items()]
    write_atomically(path, "\n".join([f"[{stack}]", *lines, ""]), mode=0o600)


def login(settings: Settings, stack: StackName) -> dict[str, str]:
    """Return host, port, name, user and password of the role that owns staging's schema."""
    psql.write_services(settings)
    services = configparser.ConfigParser(interpolation=None)
    services.read(psql.service_file(settings))
    secret = read(settings, f"secret/{MIGRATOR_SECRET}", f"--namespace={stack.namespace}")["data"]
    role = {key: base64.b64decode(value).decode() for key, value in secret.items()}
    server = services[stack.database_identifier]
    return {
        "host": server["host"],
        "port": server["port"],
        "name": server["dbname"],
        "user": role["username"],
        "password": role["password"],
        # A Unix socket has no TLS, and the server requires it on its address.
        "sslmode": "prefer",
    }


def is_migrated(settings: Settings, stack: StackName) -> bool:
    """Return whether staging's migrations have all succeeded."""
    at = f"--namespace={stack.namespace}"
    jobs = read(settings, "jobs", at, f"--selector={NAME_LABEL}={MIGRATE}")["items"]
    return bool(jobs) and all("Complete" in _conditions(job.get("status", {})) for job in jobs)


def _run_command(settings: Settings, stack: StackName, command: Sequence[str]) -> None:
    """Run a command in a Job of staging's image, in place of one that failed or was interrupted."""
    at = f"--namespace={stack.namespace}"
    kubectl(settings, "delete", f"job/{_JOB}", at, "--ignore-not-found", "--cascade=foreground")
    kubectl(settings, "apply", "--filename=-", document=_job(settings, stack, command))
    until_ended = Retrying(
        retry=retry_if_result(lambda status: not _ENDED & _conditions(status)),
        stop=stop_after_delay(_SECONDS),
        wait=wait_fixed(0.3),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    if "Complete" not in _conditions(until_ended(lambda: _status(settings, stack))):
        raise SandboxError(
            "staging's data",
            why=f"its command {' '.join(command)} failed, or has not ended after {_SECONDS} s: "
            + kubectl(
                settings, "logs", f"job/{_JOB}", f"--namespace={stack.namespace}", "--tail=20"
            ),
            remedy="correct what its log reports, then run the command again.",
        )


def _conditions(status: dict[str, Any]) -> set[str]:
    return {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}


def _status(settings: Settings, stack: StackName) -> dict[str, Any]:
    return dict(read(settings, f"job/{_JOB}", f"--namespace={stack.namespace}").get("status", {}))


def _job(settings: Settings, stack: StackName, command: Sequence[str]) -> dict[str, Any]:
    pod = _pod(settings, stack)
    container = {key: value for key, value in pod["containers"][0].items() if key not in _SERVING}
    container["command"] = [*command]
    # For a command that generates rows: how many, and whether with recognizable people, by which
    # tests prove that no person of staging is in a preview.
    rows = {"SEED_ROWS": str(settings.seed_rows), "SEED_CANARIES": "true"}
    container["env"] = [
        *container.get("env", []),
        *({"name": name, "value": value} for name, value in rows.items()),
    ]
    pod |= {"restartPolicy": "Never", "containers": [container]}
    pod.pop("topologySpreadConstraints", None)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": _JOB, "namespace": stack.namespace},
        "spec": {
            "backoffLimit": 0,
            "template": {"metadata": {"labels": {NAME_LABEL: _JOB}}, "spec": pod},
        },
    }


def _pod(settings: Settings, stack: StackName) -> dict[str, Any]:
    """Return the pod that migrates, with the permissions of that; else the service's."""
    at = f"--namespace={stack.namespace}"
    jobs = read(settings, "jobs", at, f"--selector={NAME_LABEL}={MIGRATE}")["items"]
    made = jobs[0] if jobs else read(settings, f"deployment/{SERVICE}", at)
    return dict(made["spec"]["template"]["spec"])
