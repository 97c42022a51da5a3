"""Output of commands: the result on stdout, everything else on stderr."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.markup import escape

from previews.errors import PreviewsError

console = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for scripts.")]


def show(result: BaseModel, text: RenderableType, *, as_json: bool) -> None:
    """Print a command's result: one JSON document, or the text for people."""
    if as_json:
        typer.echo(result.model_dump_json(by_alias=True))
    else:
        Console(highlight=False).print(text, soft_wrap=True)


def progress(line: str) -> None:
    """Print the step that has begun."""
    console.print(f"[dim]·[/] {escape(line)}", soft_wrap=True)


def failure(error: PreviewsError, *, as_json: bool = False) -> None:
    """Print an error with its reason and remedy; for scripts a JSON document, too."""
    if as_json:
        typer.echo(json.dumps({"error": error.as_document()}))
    console.print(f"[red]✗ {escape(error.what)}[/]: {escape(error.why)}", soft_wrap=True)
    console.print(f"  [bold]What to do:[/] {escape(error.remedy)}", soft_wrap=True)
    console.print(f"  [dim]{escape(error.code)} in docs/runbook.md[/]", soft_wrap=True)
