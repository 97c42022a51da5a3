"""`previews comment`: makes the pull request's comment say how its preview is now."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel
from rich.text import Text

from previews.clients import Clients
from previews.commands._arguments import Stack, Through, this_run
from previews.diagnosis.failure_report import perform
from previews.output import AsJson, show
from previews.pull_request import comment
from previews.pull_request.current_comment import comment_now
from previews.pull_request.github_presenter import PullRequestPresenter
from previews.pull_request.presenter import Failure


class Shown(BaseModel):
    """What the comment says.

    Attributes:
        stack: The preview.
        markdown: The whole comment.
    """

    stack: str
    markdown: str


def command(
    stack: Stack,
    removed: Annotated[
        bool, typer.Option("--removed", help="Say that it is gone, and end its deployments.")
    ] = False,
    failed: Annotated[
        str, typer.Option("--failed", help="Say that it did not come up, and what failed.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the comment without writing it.")
    ] = False,
    through: Through = None,
    as_json: AsJson = False,
) -> None:
    """Write the one comment of a preview, or bring it up to date.

    `previews up` and `previews destroy` do so by themselves; this is for in between.

    Example: previews comment 42 --dry-run

    Exits with 0 when the comment says it, with 1 when that can't be told.
    """
    clients = Clients()
    number = stack.pull_request or 0
    presenter = PullRequestPresenter(clients.github, number, run_url=this_run())
    if removed:
        text = comment.removed(stack.value, seconds=None, left=[])
    elif failed:
        commit = clients.github.pulls.read(number).head_sha
        failure = Failure(perform([], said=failed), ())
        text = comment.failed(stack.value, commit, failure, run=this_run())
    else:
        text = comment_now(clients, stack, through=through)
    if not dry_run:
        presenter.show(text)
        if removed:
            presenter.retire()
    show(Shown(stack=stack.value, markdown=text), Text(text), as_json=as_json)
