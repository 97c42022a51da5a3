"""Staging on the sandbox: brought up by the program, filled with data, and snapshot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from previews.clients import Clients
from previews.diagnosis.failure_report import UpFailedError
from previews.pull_request.presenter import DeployFailure
from previews.pull_request.terminal_presenter import TerminalPresenter
from previews.pulumi.up import pulumi_up
from sandbox import show
from sandbox.aws.client import client, take_automated_snapshot
from sandbox.containers.locks import hold
from sandbox.errors import SandboxError
from sandbox.identity import CLUSTER_NAME
from sandbox.kubectl import kubectl, read
from sandbox.processes import write_atomically
from sandbox.settings import Settings
from sandbox.stacks import PROJECT

STACK = "staging"
_SEED_SECONDS = 300
_ENDED = {"Complete", "Failed"}
# Of the versions that the sandbox has, what RDS runs most.
_POSTGRES = "16"


def ensure(settings: Settings, clients: Clients, console: Console) -> None:
    """Bring staging up unless it is there, whole: database, rows, snapshot, service.

    What was begun and interrupted is gone through again; each step can be run twice. Of several
    that find it missing at once, one makes it and the others wait.

    Raises:
        SandboxError: When a step fails.
        PreviewsError: When Pulumi does.
    """
    with hold(settings.home / "staging.lock"):
        if not _finished(settings).exists():
            _make(settings, clients, console)


def _make(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    console.print("staging is brought up first; later previews find it there")
    up(settings, clients)
    _seed(settings, console)
    if not _has_snapshot_of_the_rows(settings):
        take_automated_snapshot(settings, STACK)
    write_atomically(_finished(settings), f"{settings.seed_rows}\n")
    rows = f"{settings.seed_rows:,} rows"
    show.done(console, STACK, f"up with {rows} in {time.monotonic() - began:.1f} s")


def up(settings: Settings, clients: Clients) -> None:
    """Bring staging to what the program declares with its configuration on this sandbox.

    Raises:
        PreviewsError: Pulumi fails; the terminal shows why.
    """
    config = write_config(settings)
    # The stack is made in a folder of its own: the checkout's file of staging is a team's.
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
        # This `up` has found what a killed one had begun; Pulumi keeps the note of it.
        forget = ["--clear-pending-creates", "--yes", "--skip-preview", *options]
        clients.stacks.command.check("state of staging", ["refresh", "--stack", STACK, *forget])


def _own_project(folder: Path) -> Path:
    """A project of the program's name that holds nothing, for making the stack in it."""
    write_atomically(folder / "Pulumi.yaml", f"name: {PROJECT}\nruntime: python\n")
    return folder


def config_file(settings: Settings) -> Path:
    """Staging's configuration on this sandbox, in place of ``Pulumi.staging.yaml``."""
    return settings.home / "pulumi" / STACK / f"Pulumi.{STACK}.yaml"


def _finished(settings: Settings) -> Path:
    return settings.home / "staging.finished"


def want_branches(settings: Settings) -> None:
    """Have staging hand out databases in mode ``branch`` from its next `up` on."""
    settings.home.mkdir(parents=True, exist_ok=True)
    _wanted(settings).touch()


def wants_branches(settings: Settings) -> bool:
    """Whether it does."""
    return _wanted(settings).exists()


def _wanted(settings: Settings) -> Path:
    return settings.home / "branches.wanted"


def write_config(settings: Settings) -> Path:
    """Write what a team would write for a cluster and a load balancer like these."""
    path = config_file(settings)
    # What Pulumi wrote into it, the salt of its encryption, stays.
    kept: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    values = {
        "domain": settings.domain,
        "cluster": {"name": CLUSTER_NAME},
        "listener": {"protocol": "HTTP", "port": settings.http_port},
        # The balancer is a process of this machine.
        "loadBalancer": {"sourceCidrs": ["127.0.0.0/8"]},
        "database": {
            "instanceClass": "db.t4g.medium",
            "engineVersion": _POSTGRES,
            # Its certificates are the sandbox's own, not Amazon's.
            "sslMode": "require",
            "deletionProtection": False,
        },
        # Nobody takes these roles here; their policies are made and kept as on AWS.
        "github": {
            "repository": "sandbox/previews",
            "repositoryId": "1",
            "subjectPrefix": "repo:sandbox@1/previews@1",
        },
    }
    if wants_branches(settings):
        values["branches"] = {"enabled": True}
    kept["config"] = {f"{PROJECT}:{key}": value for key, value in values.items()}
    write_atomically(path, yaml.safe_dump(kept, sort_keys=False))
    return path


def _seed(settings: Settings, console: Console) -> None:
    """Fill staging by a Job of its own image, with the rights of its migrations."""
    kubectl(settings, "apply", "--filename=-", document=_seed_job(settings))
    until_ended = Retrying(
        retry=retry_if_result(lambda status: not _ENDED & _conditions(status)),
        stop=stop_after_delay(_SEED_SECONDS),
        wait=wait_fixed(0.3),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    with console.status(f"staging: {settings.seed_rows:,} rows are generated"):
        status = until_ended(lambda: _seed_status(settings))
    if "Complete" not in _conditions(status):
        raise SandboxError(
            "staging's rows",
            why="the Job that generates them did not end well: "
            + kubectl(settings, "logs", "job/seed", f"--namespace={STACK}", "--tail=20"),
            remedy="mend what it names, then run the command again.",
        )


def _conditions(status: dict[str, Any]) -> set[str]:
    return {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}


def _seed_status(settings: Settings) -> dict[str, Any]:
    return dict(read(settings, "job/seed", f"--namespace={STACK}").get("status", {}))


def _seed_job(settings: Settings) -> dict[str, Any]:
    """The migration's Job of staging, with another name and command."""
    selector = "--selector=app.kubernetes.io/name=migrate"
    (migrate,) = read(settings, "jobs", f"--namespace={STACK}", selector)["items"]
    pod = migrate["spec"]["template"]["spec"]
    container = {key: value for key, value in pod["containers"][0].items() if key != "args"}
    # With canaries, by which it is seen that nobody of staging's is in a preview.
    rows = ["--rows", str(settings.seed_rows), "--canaries"]
    container["command"] = ["python", "-m", "service.seed", *rows]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed", "namespace": STACK},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": "seed"}},
                "spec": {**pod, "containers": [container]},
            },
        },
    }


def _has_snapshot_of_the_rows(settings: Settings) -> bool:
    """Whether a snapshot was taken since the Job that made the rows ended."""
    ended = _seed_status(settings)["completionTime"]
    answer = client(settings, "rds").describe_db_snapshots(
        DBInstanceIdentifier=STACK, SnapshotType="automated"
    )
    # Both are kept to the second and in UTC; one taken in the same second is not trusted.
    return any(
        snapshot["SnapshotCreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ") > ended
        for snapshot in answer["DBSnapshots"]
        if snapshot["Status"] == "available"
    )
