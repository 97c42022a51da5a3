"""Staging on the sandbox: deployed by the program, filled with rows, with a snapshot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from previews.clients import Clients
from previews.diagnosis.failure_report import UpFailedError
from previews.pull_request.presenter import DeployFailure
from previews.pull_request.terminal_presenter import TerminalPresenter
from previews.pulumi.up import pulumi_up
from sandbox import filling, show
from sandbox.aws.client import client, take_automated_snapshot
from sandbox.containers.locks import hold
from sandbox.settings import CLUSTER_NAME, Settings
from sandbox.stacks import PROJECT
from sandbox.system import write_atomically

STACK = "staging"
# The version that is most used on RDS, of those that the sandbox has.
_POSTGRES = "16"


def ensure(settings: Settings, clients: Clients, console: Console) -> None:
    """Deploy staging with its rows and a snapshot, unless it is complete.

    An interrupted run is repeated from its beginning; each step can be run twice. If several
    callers find it missing at once, one deploys it and the others wait.

    Raises:
        SandboxError: A step fails.
        PreviewsError: Pulumi fails.
    """
    with hold(settings.home / "staging.lock"):
        if not _finished(settings).exists():
            _make(settings, clients, console)


def _make(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    console.print("deploying staging first (only once)")
    up(settings, clients)
    filling.fill(settings, clients.app, clients.settings.app, console)
    if not _has_snapshot_of_the_rows(settings):
        take_automated_snapshot(settings, STACK)
    write_atomically(_finished(settings), f"{settings.seed_rows}\n")
    show.done(console, STACK, f"ready with its data after {time.monotonic() - began:.1f} s")


def up(settings: Settings, clients: Clients) -> None:
    """Update staging to the program, with its configuration on this sandbox.

    Raises:
        PreviewsError: Pulumi fails; the terminal shows the reason.
    """
    config = write_config(settings)
    # The stack is created from another folder: Pulumi.staging.yaml in the checkout is a team's.
    own = clients.settings.model_copy(update={"project": _own_project(config.parent)})
    Clients(own).stacks.create(STACK)
    clients.locks.record_owner(STACK)
    presenter = TerminalPresenter(STACK, pulumi_log=clients.settings.pulumi_log)
    options = ["--config-file", str(config)]
    outcome = pulumi_up(clients.stacks, STACK, config={}, options=options, watch=presenter.working)
    if not outcome.succeeded:
        found = clients.diagnose(STACK, outcome, outcome.output)
        presenter.failed(DeployFailure(found, outcome.states))
        raise UpFailedError.of(STACK, found)
    presenter.end()
    if clients.stacks.state(STACK).pending:
        # This `up` adopted what a killed one had created; Pulumi still lists it as pending.
        forget = ["--clear-pending-creates", "--yes", "--skip-preview", *options]
        clients.stacks.command.check("state of staging", ["refresh", "--stack", STACK, *forget])


def _own_project(folder: Path) -> Path:
    """Write an empty project with the program's name, in which the stack can be created."""
    write_atomically(folder / "Pulumi.yaml", f"name: {PROJECT}\nruntime: python\n")
    return folder


def config_file(settings: Settings) -> Path:
    """Return the path of staging's configuration here, in place of ``Pulumi.staging.yaml``."""
    return settings.home / "pulumi" / STACK / f"Pulumi.{STACK}.yaml"


def _finished(settings: Settings) -> Path:
    return settings.home / "staging.finished"


def enable_branches(settings: Settings) -> None:
    """Set ``branches.enabled`` in staging's configuration from its next `up` on."""
    settings.home.mkdir(parents=True, exist_ok=True)
    _branches_file(settings).touch()


def _branches_enabled(settings: Settings) -> bool:
    return _branches_file(settings).exists()


def _branches_file(settings: Settings) -> Path:
    return settings.home / "branches.wanted"


def write_config(settings: Settings) -> Path:
    """Write the configuration that a team would write for this cluster and load balancer."""
    path = config_file(settings)
    # Keep the salt of its encryption, which Pulumi wrote into it.
    kept: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    values = {
        "domain": settings.domain,
        "cluster": {"name": CLUSTER_NAME},
        "listener": {"protocol": "HTTP", "port": settings.http_port},
        # The load balancer is a process of this machine.
        "loadBalancer": {"sourceCidrs": ["127.0.0.0/8"]},
        "database": {
            "instanceClass": "db.t4g.medium",
            "engineVersion": _POSTGRES,
            # Its certificates are the sandbox's own, not Amazon's.
            "sslMode": "require",
            "deletionProtection": False,
        },
        # Nobody assumes these roles here; they are created with their policies as on AWS.
        "github": {
            "repository": "sandbox/previews",
            "repositoryId": "1",
            "subjectPrefix": "repo:sandbox@1/previews@1",
        },
    }
    if _branches_enabled(settings):
        values["branches"] = {"enabled": True}
    kept["config"] = {f"{PROJECT}:{key}": value for key, value in values.items()}
    write_atomically(path, yaml.safe_dump(kept, sort_keys=False))
    return path


def _has_snapshot_of_the_rows(settings: Settings) -> bool:
    """Return True if a snapshot was taken after staging had its rows."""
    ended = filling.ended(settings)
    answer = client(settings, "rds").describe_db_snapshots(
        DBInstanceIdentifier=STACK, SnapshotType="automated"
    )
    # Both have a resolution of a second, in UTC; a snapshot of the same second does not count.
    return any(
        snapshot["SnapshotCreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ") > ended
        for snapshot in answer["DBSnapshots"]
        if snapshot["Status"] == "available"
    )
