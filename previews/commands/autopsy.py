"""`previews autopsy`: why a preview is not well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from previews.clients import Clients
from previews.commands._arguments import Stack
from previews.diagnosis.cluster_diagnostics import collect
from previews.diagnosis.failure_report import perform
from previews.output import AsJson, show
from previews.pull_request import comment
from previews.pull_request.presenter import Failure
from previews.pulumi.events import read


def command(
    stack: Stack,
    event_log: Annotated[
        Path | None, typer.Option(help="What `pulumi up --event-log` wrote, where it is kept.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a preview did not come up: what failed, its last log lines, the cluster's warnings.

    Secrets are taken out. `previews up` puts the same into the pull request by itself.

    Example: previews autopsy 42

    Exits with 0 when it can be told, with 1 when not.
    """
    clients = Clients()
    events = read(event_log) if event_log else ()
    commit = str(clients.stacks.outputs(stack.value).get("commit") or "")
    found = perform(events, collect(lambda: clients.cluster.api, stack.value))
    text = comment.failed(stack.value, commit, Failure(found, ()))
    show(found, Text(text.removeprefix(comment.MARKER).strip()), as_json=as_json)
