"""`previews app`: checks an app's description against its repository, and reads it for CI."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from previews.adoption.checking import check
from previews.adoption.migrated_schema import SchemaOption, read_schema
from previews.app import read_description
from previews.commands._arguments import OutputsFile, write_outputs
from previews.errors import Exit
from previews.lifecycle.image_build import image_build
from previews.output import AsJson, show


class Action(Enum):
    """An action on the description."""

    CHECK = "check"
    IMAGE = "image"


def command(
    action: Annotated[
        Action, typer.Argument(help="check it, or print how the image is built.", show_choices=True)
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", envvar="PREVIEWS_APP", help="Folder of the app.")
    ] = Path(),
    schema: SchemaOption = None,
    outputs: OutputsFile = None,
    as_json: AsJson = False,
) -> None:
    """Check preview.yaml, and what it names in the repository; nothing is built or run.

    Example: previews app check ../orders --schema schema.json

    Exits with 0 when it fits the repository, with 1 when it does not; all problems are listed.
    """
    if action is Action.IMAGE:
        build = image_build(read_description(folder), folder)
        write_outputs(outputs, build.outputs())
        show(build, build.text(), as_json=as_json)
        return
    report = check(folder, None if schema is None else read_schema(schema))
    show(report, report.text(), as_json=as_json)
    if report.problems:
        raise typer.Exit(Exit.FAILED)
