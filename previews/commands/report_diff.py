"""`previews report-diff`: shows what a pull request's program would change, in its comment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import PreviewArgument, this_run
from previews.output import AsJson, show
from previews.pull_request.program_diff import markdown, read_diff


def command(
    preview: PreviewArgument,
    commit: Annotated[str, typer.Option(help="Commit of the program.")],
    result: Annotated[Path, typer.Option(help="File that `previews infra-diff` has written.")],
    as_json: AsJson = False,
) -> None:
    """Show the difference that `previews infra-diff` found in the one comment.

    The file is data that a pull request's program may have written, and nothing in it is trusted.

    Example: previews report-diff 42 --commit "$SHA" --result diff.json

    Exits with 0 when the difference is shown, whatever it is; with 1 when GitHub can't be reached.
    """
    diff = read_diff(result, commit)
    presenter = Clients().pull_request_presenter(preview, run_url=this_run())
    presenter.compared(diff)
    presenter.require_shown()
    show(diff, markdown(diff), as_json=as_json)
