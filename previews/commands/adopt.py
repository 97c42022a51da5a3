"""`previews adopt`: writes the files that an existing repository needs for previews."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from previews import output
from previews.adoption.adopting import Person, adopt, upgrade
from previews.adoption.migrated_schema import SchemaOption, read_schema
from previews.adoption.workflow import own_platform, parse_platform
from previews.errors import PreviewsError
from previews.output import AsJson, show
from previews.settings import PROJECT_ROOT


def command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of the app, or of its repository.")
    ] = Path(),
    yes: Annotated[
        bool, typer.Option("--yes", help="Take every proposal; keep files that differ.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--upgrade", help="Only move the workflow's reference to the platform.")
    ] = False,
    platform: Annotated[
        str | None,
        typer.Option(metavar="OWNER/REPO@REF", help="Repository of the platform; else this one's."),
    ] = None,
    schema: SchemaOption = None,
    as_json: AsJson = False,
) -> None:
    """Write preview.yaml, scrub.yaml and the workflow of an existing FastAPI repository.

    They are drafted from its source, of which nothing is imported or run; only what the source
    doesn't say is asked. A file that is there is replaced only after its difference was shown, and
    to scrub.yaml only lines are added. With the schema of a migrated database it has all columns.

    Example: previews adopt ../orders --platform acme/previews@main

    Exits with 0 when the files are there, with 1 when the repository lacks what a preview needs.
    """
    known = parse_platform(platform) if platform else own_platform(PROJECT_ROOT)
    person = person_who_answers(yes=yes or as_json)
    if move:
        adopted = upgrade(folder, person, known, PROJECT_ROOT)
    else:
        migrated = None if schema is None else read_schema(schema)
        adopted = adopt(folder, person, known, migrated)
    show(adopted, adopted.text(), as_json=as_json)


def person_who_answers(*, yes: bool) -> Person:
    """Return the person at the terminal, or one who takes every proposal."""
    return _Unasked() if yes else _Terminal()


class _Unasked:
    """A person who takes every proposal and replaces nothing."""

    def ask(self, _question: str, proposal: str) -> str:
        return proposal

    def choose(self, question: str, options: Sequence[str]) -> str:
        raise PreviewsError(
            "adopt-several",
            question,
            why=f"there are several: {', '.join(options)}",
            remedy="name the folder of one, or run it without --yes to be asked",
        )

    def replace(self, _path: str, _difference: str) -> bool:
        return False


class _Terminal:
    """A person who is asked on the terminal."""

    def ask(self, question: str, proposal: str) -> str:
        answer: str = typer.prompt(question, default=proposal, err=True)
        return answer

    def choose(self, question: str, options: Sequence[str]) -> str:
        for number, option in enumerate(options, 1):
            output.console.print(f"{number}. {escape(option)}")
        chosen: int = typer.prompt(f"{question} 1-{len(options)}", type=int, err=True)
        if not 1 <= chosen <= len(options):
            raise typer.BadParameter(f"expected 1 to {len(options)}")
        return options[chosen - 1]

    def replace(self, path: str, difference: str) -> bool:
        output.console.print(escape(difference), soft_wrap=True)
        return typer.confirm(f"Replace {path}?", default=False, err=True)
