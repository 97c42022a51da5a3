"""The command line `previews`: one command a module of `previews.commands`."""

from __future__ import annotations

import sys

import typer

from previews import output
from previews.commands import register
from previews.errors import PreviewsError

app = typer.Typer(
    help="The lifecycle of previews: what workflows call, and people too.",
    epilog=(
        "Exit codes: 0 done; 1 failed, and the message says what to do; 2 wrong usage;"
        " 3 no room for another preview now; 4 something of a preview is left."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
register(app)


@app.callback()
def _one_of_several() -> None:
    """Keep typer from taking a lone command for the whole."""


def main() -> None:
    """Run the command line; a failure is one message with what to do, never a traceback."""
    try:
        app()
    except PreviewsError as error:
        output.failure(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
