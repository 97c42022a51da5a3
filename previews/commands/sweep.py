"""`previews sweep`: removes previews that are not needed any more."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated

import typer

from contract.preview import Preview
from previews import output
from previews.clients import Clients
from previews.commands._arguments import OutputsFile, preview_of, this_run, write_outputs
from previews.errors import Exit, PreviewsError
from previews.lifecycle.sweep import Sweep
from previews.output import AsJson, show


def command(
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove them; without it they are only listed.")
    ] = False,
    most: Annotated[
        int, typer.Option(min=1, max=1000, metavar="COUNT", help="Most to remove in one run.")
    ] = 10,
    only: Annotated[
        Preview | None, typer.Option(parser=preview_of, metavar="N", help="Check only this one.")
    ] = None,
    confirm: Annotated[
        int,
        typer.Option(
            min=0, metavar="COUNT", help="Let so many go at once, even if they are most of them."
        ),
    ] = 0,
    outputs: OutputsFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare every stack and every tagged resource with the open pull requests.

    Due for removal are previews whose pull request is closed, has lost its label or has not been
    pushed to for long, and resources without a stack. Nothing is removed on a failed answer, nor
    most of them at once without --confirm; each pull request is read again before its removal; a
    failure does not stop the others.

    Example: previews sweep --yes --most 5

    Exits with 0 when every due one is gone or listed, with 4 when one could not be removed,
    with 1 when the comparison is not possible.
    """
    clients = Clients()
    sweep = Sweep(
        stacks=clients.stacks,
        places=clients.places,
        pulls=clients.github.pulls,
        repository=clients.github.repository,
        settings=clients.settings,
        remove=partial(clients.destroy, run_url=this_run()),
    )
    report = sweep.run(most=most, dry_run=not yes, only=only, confirmed=confirm)
    write_outputs(outputs, {"due": json.dumps([preview.number for preview in report.due])})
    show(report, report.text(), as_json=as_json)
    if report.failed:
        output.failure(
            PreviewsError(
                "sweep-failed",
                ", ".join(entry.preview.name for entry in report.failed),
                why="; ".join(entry.detail for entry in report.failed),
                remedy="follow each one's own message; the next run tries again.",
            )
        )
        raise typer.Exit(Exit.LEFT)
