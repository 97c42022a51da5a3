"""`previews app check`: checks an app's description against its repository."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from previews.adoption.checking import check
from previews.adoption.migrated_schema import SchemaOption, read_schema
from previews.errors import Exit
from previews.output import AsJson, show


class Action(Enum):
    """An action on the description."""

    CHECK = "check"


def command(
    action: Annotated[Action, typer.Argument(help="What to do.")],  # noqa: ARG001 - there is one
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", envvar="PREVIEWS_APP", help="Folder of the app.")
    ] = Path(),
    schema: SchemaOption = None,
    as_json: AsJson = False,
) -> None:
    """Check preview.yaml, and what it names in the repository; nothing is built or run.

    Example: previews app check ../orders --schema schema.json

    Exits with 0 when it fits the repository, with 1 when it does not; all problems are listed.
    """
    report = check(folder, None if schema is None else read_schema(schema))
    show(report, report.text(), as_json=as_json)
    if report.problems:
        raise typer.Exit(Exit.FAILED)
