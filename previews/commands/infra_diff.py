"""`previews infra-diff`: what a pull request's program would change in its preview."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import PreviewArgument
from previews.errors import for_people
from previews.files import write_at_once
from previews.lifecycle.program_diff import compare, require_compared
from previews.output import AsJson, show
from previews.pull_request.program_diff import failed, markdown


def command(
    preview: PreviewArgument,
    commit: Annotated[str, typer.Option(help="Commit of the program.")],
    result: Annotated[
        Path | None, typer.Option(help="File for the difference, which `report-diff` reads.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a program with the preview of its pull request, and change nothing.

    The program is that of `PREVIEWS_PROGRAM`, a checkout of the pull request. Neither a lock nor a
    new state is written, and the default branch's policies are applied.

    Example: PREVIEWS_PROGRAM=pull previews infra-diff 42 --commit "$SHA" --result diff.json

    Exits with 0 when it was compared, or when there is no preview yet; with 1 when not.
    """
    stack = preview.stack.value
    try:
        diff = compare(Clients().stacks, stack, commit)
    except Exception as error:
        shown = for_people(f"program of {preview}", error)
        if result is not None:
            write_at_once(result, failed(commit, f"{shown.what}: {shown.why}").model_dump_json())
        raise
    if result is not None:
        write_at_once(result, diff.model_dump_json())
    show(diff, markdown(diff), as_json=as_json)
    require_compared(diff, preview)
