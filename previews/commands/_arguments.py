"""Arguments that several commands take."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from contract.stack_name import StackName, StackNameError
from previews.errors import PreviewsError


def stack_of(text: str) -> StackName:
    """The stack of a pull request, from the pull request's number."""
    try:
        return StackName.parse(f"pr-{text.removeprefix('#')}")
    except StackNameError as error:
        raise PreviewsError(
            "pull-request-number",
            f"pull request {text!r}",
            why="expected its number, 1 to 999999999, without leading zeros",
            remedy="give it as in: previews destroy 42.",
        ) from error


Stack = Annotated[
    StackName, typer.Argument(parser=stack_of, metavar="N", help="Number of the pull request.")
]

Through = Annotated[
    str | None,
    typer.Option(envvar="PREVIEWS_THROUGH", help="Where to connect instead of the URL."),
]

Bypass = Annotated[
    str | None,
    typer.Option(
        envvar="PREVIEWS_BYPASS",
        help="What lets a test past the sign-in, in place of the platform's own secret.",
    ),
]


def this_run() -> str:
    """Where the run of the workflow is shown; empty at home."""
    server = os.environ.get("GITHUB_SERVER_URL")
    repository = os.environ.get("GITHUB_REPOSITORY")
    run = os.environ.get("GITHUB_RUN_ID")
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
