"""`previews comment`: updates the pull request's comment."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel
from rich.text import Text

from previews.clients import Clients
from previews.commands._arguments import ConnectTo, PreviewArgument, this_run
from previews.output import AsJson, show
from previews.pull_request import comment


class CommentReport(BaseModel):
    """The comment.

    Attributes:
        stack: Name of the preview.
        markdown: The whole comment.
    """

    stack: str
    markdown: str


def command(
    preview: PreviewArgument,
    removed: Annotated[
        bool, typer.Option("--removed", help="Report that it is gone, and end its deployments.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the comment without posting it.")
    ] = False,
    connect_to: ConnectTo = None,
    as_json: AsJson = False,
) -> None:
    """Post the one comment about a preview, or update it.

    `previews up` and `previews destroy` do so by themselves; this is for the time between.

    Example: previews comment 42 --dry-run

    Exits with 0 when the comment is up to date, with 1 when Pulumi or GitHub does not answer.
    """
    clients = Clients()
    presenter = clients.pull_request_presenter(preview, run_url=this_run())
    if removed:
        text = comment.removed(preview.name, seconds=None, left=[])
    else:
        text = clients.current_comment(preview, connect_to=connect_to)
    if not dry_run:
        presenter.show(text, keep_tests=not removed)
        if removed:
            presenter.retire()
        presenter.require_shown()
    show(CommentReport(stack=preview.name, markdown=text), Text(text), as_json=as_json)
