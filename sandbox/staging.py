"""Staging on the sandbox: deployed by the program, filled with rows, with a snapshot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from contract.platform_outputs import OUTPUT, PlatformOutputs, PlatformOutputsError
from contract.stack_name import AppName, StackName
from previews.adoption.scrub_file import open_rules, scrub_path
from previews.clients import Clients
from previews.diagnosis.failure_report import UpFailedError
from previews.pull_request.presenter import DeployFailure
from previews.pull_request.terminal_presenter import TerminalPresenter
from previews.pulumi.stacks import Stacks as StacksOfPulumi
from previews.pulumi.up import pulumi_up
from previews.settings import Settings as PreviewsSettings
from sandbox import environment, filling, show
from sandbox.aws.client import client, take_automated_snapshot
from sandbox.containers.locks import hold
from sandbox.errors import SandboxError
from sandbox.settings import CLUSTER_NAME, Settings
from sandbox.stacks import PROJECT, Stacks
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
    _ensure_platform(settings, clients, console)
    stack = stack_of(clients)
    with hold(settings.home / f"{stack}.lock"):
        if not _finished(settings, stack).exists():
            _make(settings, clients, console)
        elif published_rules(settings, clients.settings) is None:
            _update(settings, clients, console)


def _ensure_platform(settings: Settings, clients: Clients, console: Console) -> None:
    """Deploy the platform first, on which another app's staging stands."""
    if not clients.settings.app_name.is_platform:
        own = clients.settings.model_copy(update={"app": None})
        ensure(settings, Clients(own, next_commands=clients.next_commands), console)


def stack_of(clients: Clients) -> StackName:
    """Return the app's staging."""
    return StackName.parse(STACK, clients.settings.app_name)


def update(settings: Settings, clients: Clients, console: Console) -> None:
    """Bring staging up with the working tree, whether or not it is complete.

    Its image and the rules of the scrub are the working tree's afterwards. Its rows stay.

    Raises:
        SandboxError: A step fails.
        PreviewsError: Pulumi fails.
    """
    _ensure_platform(settings, clients, console)
    stack = stack_of(clients)
    with hold(settings.home / f"{stack}.lock"):
        if not _finished(settings, stack).exists():
            _make(settings, clients, console)
            return
        _update(settings, clients, console)


def _update(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    up(settings, clients)
    seconds = time.monotonic() - began
    name = stack_of(clients).name
    show.done(console, name, f"has the working tree after {seconds:.1f} s")


def published_rules(settings: Settings, previews: PreviewsSettings) -> str | None:
    """Return the rules of the scrub that staging publishes; None if they are a draft, or none."""
    stack = StackName.parse(STACK, previews.app_name)
    if not _finished(settings, stack).exists():
        return None
    outputs = Stacks({}, environment.backend_folder(settings)).outputs(stack)
    try:
        rules = PlatformOutputs.read(outputs.get(OUTPUT)).database.scrub_rules
    except PlatformOutputsError:
        return None  # Of another version of the program, or not complete.
    return rules if open_rules(rules) is None else None


def require_reviewed_rules(settings: Settings) -> None:
    """Refuse a preview whose copy of staging's data no rules would scrub.

    Staging's rules count; those of the working tree where staging will be brought up with them.

    Raises:
        SandboxError: The rules are a draft of `previews adopt`.
    """
    previews = PreviewsSettings.read(local=True)
    path = scrub_path(previews.app_folder)
    if not path.is_file() or published_rules(settings, previews) is not None:
        return
    count = open_rules(path.read_text(errors="replace"))
    if count is not None:
        raise SandboxError(
            str(path),
            why="it is a draft that nobody has reviewed"
            + (f", and {count} columns have no rule" if count else ""),
            remedy="check every line, replace each `how: review`, and remove `reviewed: false`;"
            " then run the command again.",
        )


def _make(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    stack = stack_of(clients)
    console.print(f"deploying {stack} first (only once)")
    up(settings, clients)
    filling.fill(settings, stack, clients.app, clients.settings.app_folder, console)
    if not _has_snapshot_of_the_rows(settings, stack):
        take_automated_snapshot(settings, stack.database_identifier)
    write_atomically(_finished(settings, stack), f"{settings.seed_rows}\n")
    show.done(console, stack.name, f"ready with its data after {time.monotonic() - began:.1f} s")


def up(settings: Settings, clients: Clients) -> None:
    """Update staging to the program, with its configuration on this sandbox.

    Raises:
        PreviewsError: Pulumi fails; the terminal shows the reason.
    """
    stack = stack_of(clients)
    config = write_config(settings, stack)
    # The stack is created from another folder: Pulumi.staging.yaml in the checkout is a team's.
    StacksOfPulumi(clients.settings, _own_project(config.parent, stack.app)).create(STACK)
    clients.locks.record_owner(STACK)
    presenter = TerminalPresenter(stack.name, pulumi_log=clients.settings.pulumi_log)
    options = ["--config-file", str(config)]
    outcome = pulumi_up(clients.stacks, STACK, config={}, options=options, watch=presenter.working)
    if not outcome.succeeded:
        found = clients.diagnose(STACK, outcome, outcome.output)
        presenter.failed(DeployFailure(found, outcome.states))
        raise UpFailedError.of(stack.name, found)
    presenter.end()
    if clients.stacks.state(STACK).pending:
        # This `up` adopted what a killed one had created; Pulumi still lists it as pending.
        forget = ["--clear-pending-creates", "--yes", "--skip-preview", *options]
        clients.stacks.command.check("state of staging", ["refresh", "--stack", STACK, *forget])


def _own_project(folder: Path, app: AppName) -> Path:
    """Write an empty project with the app's name, in which the stack can be created."""
    write_atomically(folder / "Pulumi.yaml", f"name: {app.project}\nruntime: python\n")
    return folder


def config_file(settings: Settings, stack: StackName) -> Path:
    """Return the path of staging's configuration here, in place of ``Pulumi.staging.yaml``."""
    return settings.home / "pulumi" / stack.name / f"Pulumi.{STACK}.yaml"


def _finished(settings: Settings, stack: StackName) -> Path:
    return settings.home / f"{stack}.finished"


def forget_data(settings: Settings, stack: StackName) -> None:
    """Let the next run fill staging again, as if it had been interrupted before."""
    _finished(settings, stack).unlink(missing_ok=True)


def enable_branches(settings: Settings, app: AppName) -> None:
    """Set ``branches.enabled`` in staging's configuration from its next `up` on."""
    settings.home.mkdir(parents=True, exist_ok=True)
    _branches_file(settings, app).touch()


def _branches_enabled(settings: Settings, app: AppName) -> bool:
    return _branches_file(settings, app).exists()


def _branches_file(settings: Settings, app: AppName) -> Path:
    return settings.home / f"{app.branches_namespace}.wanted"


def write_config(settings: Settings, stack: StackName) -> Path:
    """Write the configuration that a team would write for this cluster and load balancer."""
    path = config_file(settings, stack)
    # Keep the salt of its encryption, which Pulumi wrote into it.
    kept: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    values: dict[str, Any] = {
        "database": {
            "instanceClass": "db.t4g.medium",
            "engineVersion": _POSTGRES,
            # Its certificates are the sandbox's own, not Amazon's.
            "sslMode": "require",
            "deletionProtection": False,
        },
    }
    values |= _platform(settings) if stack.app.is_platform else {"platform": PROJECT}
    if _branches_enabled(settings, stack.app):
        values["branches"] = {"enabled": True}
    kept["config"] = {f"{PROJECT}:{key}": value for key, value in values.items()}
    write_atomically(path, yaml.safe_dump(kept, sort_keys=False))
    return path


def _platform(settings: Settings) -> dict[str, Any]:
    """Return the keys that only the platform's own staging has."""
    return {
        "domain": settings.domain,
        "cluster": {"name": CLUSTER_NAME},
        "listener": {"protocol": "HTTP", "port": settings.http_port},
        # The load balancer is a process of this machine.
        "loadBalancer": {"sourceCidrs": ["127.0.0.0/8"]},
        # Nobody assumes these roles here; they are created with their policies as on AWS.
        "github": {
            "repository": "sandbox/previews",
            "repositoryId": "1",
            "subjectPrefix": "repo:sandbox@1/previews@1",
        },
    }


def _has_snapshot_of_the_rows(settings: Settings, stack: StackName) -> bool:
    """Return True if a snapshot was taken after staging had its rows."""
    ended = filling.ended(settings, stack)
    answer = client(settings, "rds").describe_db_snapshots(
        DBInstanceIdentifier=stack.database_identifier, SnapshotType="automated"
    )
    # Both have a resolution of a second, in UTC; a snapshot of the same second does not count.
    return any(
        snapshot["SnapshotCreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ") > ended
        for snapshot in answer["DBSnapshots"]
        if snapshot["Status"] == "available"
    )
