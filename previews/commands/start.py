"""`previews start`: has the default branch's workflow bring a preview up."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel

from previews.clients import Clients
from previews.commands._arguments import Stack
from previews.lifecycle.run_comment_command import UP_WORKFLOW
from previews.output import AsJson, show


class Started(BaseModel):
    """What was started.

    Attributes:
        workflow: The workflow's file.
        branch: The branch that it runs from.
        number: The pull request's number.
    """

    workflow: str
    branch: str
    number: int


def command(
    stack: Stack,
    branch: Annotated[str, typer.Option(help="The default branch, which AWS trusts.")] = "main",
    as_json: AsJson = False,
) -> None:
    """Start the workflow that brings a preview up, from the branch that AWS trusts.

    Example: previews start 42

    Exits with 0 when GitHub took it, with 1 when not.
    """
    number = stack.pull_request or 0
    Clients().github.workflows.start(UP_WORKFLOW, branch, {"pull-request": str(number)})
    started = Started(workflow=UP_WORKFLOW, branch=branch, number=number)
    show(started, f"started {UP_WORKFLOW} of {branch} for #{number}", as_json=as_json)
