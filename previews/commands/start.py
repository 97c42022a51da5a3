"""`previews start`: starts the default branch's workflow that deploys a preview."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel, Field

from contract.preview import Preview
from previews.clients import Clients
from previews.commands._arguments import PreviewArgument
from previews.output import AsJson, show
from previews.pull_request.deploying_workflows import Action, start


class StartReport(BaseModel):
    """The workflow that was started.

    Attributes:
        workflow: File of the workflow.
        branch: Branch that it runs from.
        preview: The preview that it deploys.
    """

    workflow: str
    branch: str
    preview: Preview = Field(serialization_alias="number")


def command(
    preview: PreviewArgument,
    branch: Annotated[str, typer.Option(help="The default branch, which AWS trusts.")] = "main",
    as_json: AsJson = False,
) -> None:
    """Start the workflow that deploys a preview, from the branch that AWS trusts.

    Example: previews start 42

    Exits with 0 when GitHub has accepted it, with 1 when not.
    """
    clients = Clients()
    started = start(
        Action.UP, preview, branch=branch, github=clients.github, settings=clients.settings
    )
    report = StartReport(workflow=started.file, branch=branch, preview=preview)
    show(report, f"started {started.file} of {branch} for #{preview.number}", as_json=as_json)
