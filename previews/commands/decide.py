"""`previews decide`: decides from an event what to do with a preview."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from contract.preview import Preview
from previews.clients import Clients
from previews.commands._arguments import preview_of
from previews.errors import PreviewsError
from previews.lifecycle.triggers import MANUAL, Decision, Event
from previews.lifecycle.triggers import decide as decide_on
from previews.lifecycle.unchanged import keep_if_unchanged
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
        typer.Option(envvar="GITHUB_EVENT_PATH", help="File with the event's JSON from GitHub."),
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(envvar="GITHUB_OUTPUT", help="File that the step's outputs are added to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide what to do with a pull request's preview: up, keep, destroy or skip, and why.

    The pull request is read now, so that a late run decides by its current state.

    Example: previews decide --event "$GITHUB_EVENT_PATH" --json

    Exits with 0 whatever the decision is, with 1 when GitHub does not answer.
    """
    clients = Clients()
    happened = _event(number, event)
    preview = clients.preview(happened.preview.number)
    happened = happened.model_copy(update={"preview": preview})
    pull = clients.github.pulls.read(preview.number)
    decision = keep_if_unchanged(
        decide_on(happened, pull, clients.settings),
        happened,
        github=clients.github,
        app=lambda: clients.app,
        folder=clients.settings.app_folder,
    )
    if outputs is not None:
        _add(outputs, decision)
    show(
        decision,
        f"{decision.action} {decision.preview} at {decision.sha[:12]}: {decision.reason}",
        as_json=as_json,
    )


def _event(preview: Preview | None, file: Path | None) -> Event:
    if preview is not None:
        return Event(action=MANUAL, preview=preview)
    if file is None:
        raise PreviewsError(
            "event-missing",
            "event",
            why="neither an event nor a pull request's number was given",
            remedy="give one, as in: previews decide 42.",
        )
    try:
        return Event.model_validate_json(file.read_text())
    except (OSError, ValidationError) as error:
        raise PreviewsError(
            "event-unreadable",
            f"event in {file}",
            why=f"expected the JSON of a pull_request event: {error}",
            remedy="run it in a workflow on pull_request or pull_request_target,"
            " or give the number: previews decide 42.",
        ) from error


def _add(file: Path, decision: Decision) -> None:
    """Add the decision to a step's outputs; no value can contain a line break."""
    lines = {
        "action": decision.action.value,
        "number": str(decision.preview.number),
        "sha": decision.sha,
        "stack": decision.preview.name,
        "deployed": decision.deployed,
    }
    with file.open("a") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in lines.items())
