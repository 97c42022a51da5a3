"""`previews decide`: decides from an event what to do with a preview, and shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contract.preview import Preview
from previews.clients import Clients
from previews.commands._arguments import (
    OutputsFile,
    preview_of,
    read_event_file,
    this_run,
    write_outputs,
)
from previews.errors import PreviewsError, UsageError
from previews.lifecycle.triggers import MANUAL, Event, read_event
from previews.output import AsJson, show


def command(
    number: Annotated[
        Preview | None,
        typer.Argument(
            parser=preview_of, metavar="[N]", help="Number of the pull request, without an event."
        ),
    ] = None,
    event: Annotated[
        Path | None,
        typer.Option(
            envvar="GITHUB_EVENT_PATH",
            metavar="FILE",
            help="File with the event's JSON from GitHub.",
        ),
    ] = None,
    announce: Annotated[
        bool,
        typer.Option(
            "--announce", help="Show it in the pull request: what waits, what stays, or why not."
        ),
    ] = False,
    bake: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File that gets the builds of the images, for `docker buildx bake`.",
        ),
    ] = None,
    outputs: OutputsFile = None,
    as_json: AsJson = False,
) -> None:
    """Decide what to do with a pull request's preview: up, keep, destroy or skip, and why.

    The pull request is read now, so that a late run decides by its current state; its preview.yaml
    is read from GitHub, at its newest commit. Nothing of it is checked out or run.

    Example: previews decide --event "$GITHUB_EVENT_PATH" --announce --bake bake.json

    Exits with 0 whatever the decision is, with 1 when GitHub does not answer, or when preview.yaml
    describes nothing that can be deployed.
    """
    clients = Clients()
    happened = _event(number, event)
    preview = clients.preview(happened.preview.number)
    deciding = clients.deciding(preview, run_url=this_run(), announce=announce)
    decided = deciding.decide(happened.model_copy(update={"preview": preview}))
    if bake is not None:
        definition = deciding.bake_definition(decided)
        if definition is not None:
            bake.write_text(definition)
    deciding.announce(decided)
    decision = decided.decision
    write_outputs(outputs, decision.outputs())
    show(
        decision,
        f"{decision.action} {decision.preview} at {decision.sha[:12]}: {decision.reason}",
        as_json=as_json,
    )


def _event(preview: Preview | None, file: Path | None) -> Event:
    if preview is not None:
        return Event(action=MANUAL, preview=preview)
    if file is None:
        raise UsageError(
            "event-missing",
            "event",
            why="neither an event nor a pull request's number was given",
            remedy="give one, as in: previews decide 42.",
        )
    try:
        return read_event(read_event_file(file))
    except ValueError as error:
        raise PreviewsError(
            "event-unreadable",
            f"event in {file}",
            why="expected the JSON of a pull_request event, or of a workflow_dispatch with the"
            f" input pull-request: {error}",
            remedy="run it in a workflow on pull_request_target or workflow_dispatch,"
            " or give the number: previews decide 42.",
        ) from error
