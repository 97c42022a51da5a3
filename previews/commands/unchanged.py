"""`previews unchanged`: shows on a commit which one the preview runs."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel, Field

from contract.preview import Preview
from previews.clients import Clients
from previews.commands._arguments import PreviewArgument
from previews.lifecycle.unchanged import show_unchanged
from previews.output import AsJson, show


class UnchangedReport(BaseModel):
    """The status that was set.

    Attributes:
        preview: The preview.
        commit: The commit that has the status.
        status: Its text.
    """

    preview: Preview = Field(serialization_alias="number")
    commit: str
    status: str


def command(
    preview: PreviewArgument,
    commit: Annotated[str, typer.Option(help="The commit that is not deployed.")],
    deployed: Annotated[str, typer.Option(help="The commit that the preview runs.")],
    as_json: AsJson = False,
) -> None:
    """Set the status of a commit that changes nothing: it has the commit that the preview runs.

    `previews decide` finds such a commit, and answers keep.

    Example: previews unchanged 42 --commit 0123… --deployed 4567…

    Exits with 0 when the status is set, with 1 when the preview runs another commit meanwhile.
    """
    text = show_unchanged(preview, commit, deployed, github=Clients().github)
    report = UnchangedReport(preview=preview, commit=commit, status=text)
    show(report, f"{preview} {text}", as_json=as_json)
