"""`previews decide`: what an event means for a preview."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from contract.stack_name import StackName
from previews.clients import Clients
from previews.commands._arguments import stack_of
from previews.errors import PreviewsError
from previews.lifecycle.triggers import MANUAL, Decision, Event
from previews.lifecycle.triggers import decide as decide_on
from previews.output import AsJson, show


def command(
    number: Annotated[
        StackName | None,
        typer.Argument(parser=stack_of, metavar="[N]", help="Instead of an event: the number."),
    ] = None,
    event: Annotated[
        Path | None,
        typer.Option(envvar="GITHUB_EVENT_PATH", help="The event's JSON, as GitHub gives it."),
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(envvar="GITHUB_OUTPUT", help="File that a step's outputs are added to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is to be done about a pull request's preview: up, destroy or skip, and why.

    The pull request is read afresh, so that a late run decides on what holds now.

    Example: previews decide --event "$GITHUB_EVENT_PATH" --json

    Exits with 0 whatever the answer is, with 1 when GitHub gives none.
    """
    clients = Clients()
    happened = _event(number, event)
    decision = decide_on(happened, clients.github.pulls.read(happened.number), clients.settings)
    if outputs is not None:
        _add(outputs, decision)
    show(
        decision,
        f"{decision.action} pr-{decision.number} at {decision.sha[:12]}: {decision.reason}",
        as_json=as_json,
    )


def _event(number: StackName | None, file: Path | None) -> Event:
    if number is not None and number.pull_request is not None:
        return Event(action=MANUAL, number=number.pull_request)
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
    """Add the decision to a step's outputs; none of the values can hold a line break."""
    lines = {
        "action": decision.action.value,
        "number": str(decision.number),
        "sha": decision.sha,
        "stack": f"pr-{decision.number}",
    }
    with file.open("a") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in lines.items())
