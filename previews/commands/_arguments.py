"""Arguments that several commands take."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from contract.preview import Preview, PreviewNumberError
from previews.errors import PreviewsError
from previews.settings import Settings


def preview_of(text: str) -> Preview:
    """Return the preview of a pull request, from the number as it was typed, and the app."""
    try:
        return Preview.parse(text, Settings.read().app_name)
    except PreviewNumberError as error:
        raise PreviewsError(
            "pull-request-number",
            f"pull request {text!r}",
            why="expected its number, 1 to 999999999, without leading zeros",
            remedy="type it as in: previews destroy 42.",
        ) from error


PreviewArgument = Annotated[
    Preview, typer.Argument(parser=preview_of, metavar="N", help="Number of the pull request.")
]

ConnectTo = Annotated[
    str | None,
    typer.Option(
        "--connect-to",
        "--through",
        envvar="PREVIEWS_THROUGH",
        help="URL to connect to, for a host name that this machine does not resolve.",
    ),
]

Bypass = Annotated[
    str | None,
    typer.Option(
        envvar="PREVIEWS_BYPASS",
        help="Token that lets a test past the sign-in, in place of the platform's own.",
    ),
]


def this_run() -> str:
    """Return the URL of the workflow run; empty outside CI."""
    server = os.environ.get("GITHUB_SERVER_URL")
    repository = os.environ.get("GITHUB_REPOSITORY")
    run = os.environ.get("GITHUB_RUN_ID")
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
