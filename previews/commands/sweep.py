"""`previews sweep`: removes the previews that should be gone and are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from contract.stack_name import StackName
from previews import output
from previews.clients import Clients
from previews.commands._arguments import stack_of
from previews.errors import Exit, PreviewsError
from previews.lifecycle.sweep import sweep
from previews.output import AsJson, show


def command(
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove them; without it they are only listed.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, max=1000, help="Most to remove in one run.")] = 10,
    only: Annotated[
        StackName | None, typer.Option(parser=stack_of, metavar="N", help="Judge this one alone.")
    ] = None,
    none_open: Annotated[
        bool, typer.Option("--none-open", help="Yes, the repository has no open pull request.")
    ] = False,
    outputs: Annotated[
        Path | None,
        typer.Option(envvar="GITHUB_OUTPUT", help="File that a step's outputs are added to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge every stack and every tagged resource against the open pull requests.

    Due are those whose pull request is closed, has lost its label or was not pushed to for long,
    and what is there without a stack. Nothing is done on an empty or failed answer; each pull
    request is read once more before its preview goes; one that fails keeps no other from it.

    Example: previews sweep --yes --most 5

    Exits with 0 when every due one is gone or listed, with 4 when one could not be removed,
    with 1 when nothing could be judged.
    """
    report = sweep(
        Clients(),
        most=most,
        dry_run=not yes,
        only=None if only is None else only.pull_request,
        none_open=none_open,
    )
    if outputs is not None:
        with outputs.open("a") as opened:
            opened.write(f"due={json.dumps(report.due)}\n")
    show(report, report.text(), as_json=as_json)
    if report.failed:
        output.failure(
            PreviewsError(
                "sweep-failed",
                ", ".join(f"pr-{entry.number}" for entry in report.failed),
                why="; ".join(entry.detail for entry in report.failed),
                remedy="see what each says; the next run tries them again.",
            )
        )
        raise typer.Exit(Exit.LEFT)
