"""`previews obey`: does what a comment on a pull request asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import AliasPath, BaseModel, ConfigDict, Field, ValidationError

from previews.clients import Clients
from previews.errors import PreviewsError
from previews.lifecycle.comment_commands import CommentEvent
from previews.lifecycle.run_comment_command import obey
from previews.output import AsJson, show


class _Repository(BaseModel):
    model_config = ConfigDict(extra="ignore")

    branch: str = Field(validation_alias=AliasPath("repository", "default_branch"))


def command(
    event: Annotated[
        Path,
        typer.Option(envvar="GITHUB_EVENT_PATH", help="The event's JSON, as GitHub gives it."),
    ],
    as_json: AsJson = False,
) -> None:
    """Obey `/preview`, `/preview reset-db`, `/preview keep` or `/preview destroy`.

    Whether its author may push to the repository is asked of GitHub first.

    Example: previews obey --event "$GITHUB_EVENT_PATH"

    Exits with 0 when it was done or was no command, with 1 when it was refused.
    """
    try:
        text = event.read_text()
        comment = CommentEvent.model_validate_json(text)
        branch = _Repository.model_validate_json(text).branch
    except (OSError, ValidationError) as error:
        raise PreviewsError(
            "comment-event-unreadable",
            f"event in {event}",
            why=f"expected the JSON of an issue_comment event: {error}",
            remedy="run it in a workflow on issue_comment.",
        ) from error
    clients = Clients()
    done = obey(clients.github, clients.settings, comment, branch)
    show(done, f"#{done.number}: {done.done}", as_json=as_json)
