"""`previews autopsy`: finds out why a preview is unhealthy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from previews.clients import Clients
from previews.commands._arguments import PreviewArgument
from previews.diagnosis.cluster_diagnostics import collect
from previews.diagnosis.failure_report import make_report
from previews.output import AsJson, show
from previews.pull_request import comment
from previews.pull_request.presenter import DeployFailure
from previews.pulumi.events import read


def command(
    preview: PreviewArgument,
    event_log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="File that `pulumi up --event-log` wrote, if there is one.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show why a preview failed: failed resources, last log lines, warnings of the cluster.

    Secrets are removed. `previews up` puts the same report into the pull request.

    Example: previews autopsy 42

    Exits with 0 when there is a report, with 1 when Pulumi or the cluster does not answer.
    """
    clients = Clients()
    events = read(event_log) if event_log else ()
    commit = str(clients.stacks.outputs(preview.stack.value).get("commit") or "")
    report = make_report(events, collect(lambda: clients.cluster, preview.name))
    text = comment.failed(preview.name, commit, DeployFailure(report, ()))
    show(report, Text(text.removeprefix(comment.marker(preview.app)).strip()), as_json=as_json)
