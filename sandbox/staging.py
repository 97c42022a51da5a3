"""Staging on the sandbox: brought up by the program, filled with data, and snapshot."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import kr8s
import yaml
from kr8s.objects import Job
from rich.console import Console

from sandbox import show
from sandbox.aws.client import client, take_automated_snapshot
from sandbox.errors import SandboxError
from sandbox.identity import CLUSTER_NAME
from sandbox.processes import write_atomically
from sandbox.settings import Settings
from sandbox.stacks import PROJECT, Stacks

STACK = "staging"
_SEED_SECONDS = 300
# Of the versions that the sandbox has, what RDS runs most.
_POSTGRES = "16"


def ensure(settings: Settings, stacks: Stacks, console: Console) -> None:
    """Bring staging up unless it is there, whole: database, rows, snapshot, service.

    What was begun and interrupted is gone through again; each step can be run twice.

    Raises:
        SandboxError: When a step fails.
    """
    if _finished(settings).exists():
        return
    began = time.monotonic()
    config = _write_config(settings)
    console.print("staging is brought up first; later previews find it there")
    stacks.up(STACK, "--config-file", str(config))
    _seed(settings, console)
    if not _has_snapshot_of_the_rows(settings):
        take_automated_snapshot(settings, STACK)
    write_atomically(_finished(settings), f"{settings.seed_rows}\n")
    rows = f"{settings.seed_rows:,} rows"
    show.done(console, STACK, f"up with {rows} in {time.monotonic() - began:.1f} s")


def config_file(settings: Settings) -> Path:
    """Staging's configuration on this sandbox, in place of ``Pulumi.staging.yaml``."""
    return settings.home / "Pulumi.staging.yaml"


def _finished(settings: Settings) -> Path:
    return settings.home / "staging.finished"


def _write_config(settings: Settings) -> Path:
    """Write what a team would write for a cluster and a load balancer like these."""
    path = config_file(settings)
    # What Pulumi wrote into it, the salt of its encryption, stays.
    kept: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    values = {
        "domain": settings.domain,
        "cluster": {"name": CLUSTER_NAME},
        "listener": {"protocol": "HTTP", "port": settings.http_port},
        "database": {
            "instanceClass": "db.t4g.medium",
            "engineVersion": _POSTGRES,
            "deletionProtection": False,
        },
    }
    kept["config"] = {f"{PROJECT}:{key}": value for key, value in values.items()}
    write_atomically(path, yaml.safe_dump(kept, sort_keys=False))
    return path


def _seed(settings: Settings, console: Console) -> None:
    """Fill staging by a Job of its own image, with the rights of its migrations."""
    api = kr8s.api(kubeconfig=str(settings.kubeconfig))
    job = Job(_seed_job(api, settings), api=api)
    if not job.exists():
        job.create()
    with console.status(f"staging: {settings.seed_rows:,} rows are generated"):
        job.wait(
            ["condition=Complete", "condition=Failed"],
            mode="any",
            timeout=_SEED_SECONDS,
        )
    if not job.status.get("succeeded"):
        logs = subprocess.run(
            ["kubectl", f"--kubeconfig={settings.kubeconfig}", "-n", STACK, "logs", "job/seed"],
            check=False,
            capture_output=True,
            text=True,
        )
        raise SandboxError(
            "staging's rows",
            why=f"the Job that generates them failed: {logs.stdout[-1000:]}{logs.stderr[-300:]}",
            remedy="mend service/seed.py, then run the command again.",
        )


def _seed_job(api: Any, settings: Settings) -> dict[str, Any]:
    """The migration's Job of staging, with another name and command."""
    selector = {"app.kubernetes.io/component": "migrate"}
    (migrate,) = api.get("jobs", namespace=STACK, label_selector=selector)
    template = migrate.raw["spec"]["template"]
    container = dict(template["spec"]["containers"][0])
    container["command"] = ["python", "-m", "service.seed", "--rows", str(settings.seed_rows)]
    container.pop("args", None)
    return {
        "metadata": {"name": "seed", "namespace": STACK},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {**template["spec"], "containers": [container]}},
        },
    }


def _has_snapshot_of_the_rows(settings: Settings) -> bool:
    """Whether a snapshot was taken since the Job that made the rows ended."""
    api = kr8s.api(kubeconfig=str(settings.kubeconfig))
    (job,) = api.get("jobs", "seed", namespace=STACK)
    answer = client(settings, "rds").describe_db_snapshots(
        DBInstanceIdentifier=STACK, SnapshotType="automated"
    )
    # Both are kept to the second and in UTC; one taken in the same second is not trusted.
    return any(
        snapshot["SnapshotCreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ") > job.status.completionTime
        for snapshot in answer["DBSnapshots"]
        if snapshot["Status"] == "available"
    )
