"""`previews obey`: runs the command in a comment on a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from previews.clients import Clients
from previews.commands._arguments import read_event_file
from previews.errors import PreviewsError
from previews.output import AsJson, show
from previews.pull_request.comment_commands import CommentEvent, run_comment_command


def command(
    event: Annotated[
        Path,
        typer.Option(
            envvar="GITHUB_EVENT_PATH",
            metavar="FILE",
            help="File with the event's JSON from GitHub.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Run the command in a comment, `/preview …`, if its author may push to the repository.

    Example: previews obey --event "$GITHUB_EVENT_PATH"

    Exits with 0 when it was run or the comment is no command, with 1 when it was refused.
    """
    try:
        comment = CommentEvent.model_validate_json(read_event_file(event))
    except ValidationError as error:
        raise PreviewsError(
            "comment-event-unreadable",
            f"event in {event}",
            why=f"expected the JSON of an issue_comment event: {error}",
            remedy="run it in a workflow on issue_comment.",
        ) from error
    clients = Clients()
    preview = clients.preview(comment.preview.number)
    comment = comment.model_copy(update={"preview": preview})
    result = run_comment_command(comment, github=clients.github, settings=clients.settings)
    show(result, f"#{result.preview.number}: {result.message}", as_json=as_json)
