"""Arguments that several commands take."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from contract.preview import Preview, PreviewNumberError
from contract.stack_name import StackName
from previews.errors import UsageError
from previews.settings import Settings


def preview_of(text: str) -> Preview:
    """Return the preview of a pull request, from the number as it was typed, and the app."""
    try:
        return Preview.parse(text, Settings.read().app_name)
    except PreviewNumberError as error:
        raise UsageError(
            "pull-request-number",
            f"pull request {text!r}",
            why="expected its number, 1 to 999999999, without leading zeros",
            remedy="type it as in: previews destroy 42.",
        ) from error


def stack_of(text: str) -> StackName:
    """Return a stack: a preview's by the number of its pull request, or another by its name."""
    app = Settings.read().app_name
    return StackName.find(text, app) or preview_of(text).stack


PreviewArgument = Annotated[
    Preview, typer.Argument(parser=preview_of, metavar="N", help="Number of the pull request.")
]

ConnectTo = Annotated[
    str | None,
    typer.Option(
        "--connect-to",
        "--through",
        envvar="PREVIEWS_THROUGH",
        metavar="URL",
        help="URL to connect to, for a host name that this machine does not resolve.",
    ),
]

OutputsFile = Annotated[
    Path | None,
    typer.Option(
        "--outputs",
        envvar="GITHUB_OUTPUT",
        metavar="FILE",
        help="File that the step's outputs are added to.",
    ),
]


def write_outputs(file: Path | None, outputs: Mapping[str, str]) -> None:
    """Add to the outputs of a step, as GitHub reads them; without a file there is no step."""
    if file is None:
        return
    with file.open("a") as opened:
        for name, value in outputs.items():
            if "\n" in value:
                # Nobody can guess the word that ends the value.
                end = f"end-{secrets.token_hex(16)}"
                opened.write(f"{name}<<{end}\n{value}\n{end}\n")
            else:
                opened.write(f"{name}={value}\n")


def read_event_file(file: Path) -> str:
    """Return the text of a file with an event.

    Raises:
        UsageError: It can't be read.
    """
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "event-file",
            f"event in {file}",
            why=f"the file can't be read: {error}",
            remedy='name the one that GitHub wrote: --event "$GITHUB_EVENT_PATH".',
        ) from error


def this_run() -> str:
    """Return the URL of the workflow run; empty outside CI."""
    server = os.environ.get("GITHUB_SERVER_URL")
    repository = os.environ.get("GITHUB_REPOSITORY")
    run = os.environ.get("GITHUB_RUN_ID")
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
