"""The command line `previews`: each module of `previews.commands` is a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from previews import output
from previews.commands import register
from previews.errors import PreviewsError, for_people, is_network_fault
from previews.interruption import interrupted_once

app = typer.Typer(
    help="Deploys, shows and removes previews; for workflows and for people.",
    epilog=(
        "Exit codes: 0 done; 1 failed, with a message and a remedy; 2 wrong usage;"
        " 3 no room for another preview now; 4 something of a preview is left;"
        " 5 something could not be read."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
register(app)


@app.callback()
def _callback(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--app",
            envvar="PREVIEWS_APP",
            metavar="DIR",
            help="Folder of the app with its preview.yaml; without it the platform's own app.",
        ),
    ] = None,
) -> None:
    """Remember the app, which each command reads with the other settings."""
    if folder is not None:
        os.environ["PREVIEWS_APP"] = str(folder)


def main() -> None:
    """Run the command line; an error is one message with a remedy, without a traceback."""
    try:
        with interrupted_once():
            app()
    except PreviewsError as error:
        _end(error)
    except Exception as error:
        if not is_network_fault(error):
            raise
        _end(for_people(" ".join(["previews", *sys.argv[1:2]]), error))


def _end(error: PreviewsError) -> NoReturn:
    output.failure(error, as_json="--json" in sys.argv)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
