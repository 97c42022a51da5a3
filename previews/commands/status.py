"""`previews status`: how one preview is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import Stack
from previews.output import AsJson, show
from previews.reporting.status import details, status_of


def command(
    stack: Stack,
    through: Annotated[
        str | None,
        typer.Option(envvar="PREVIEWS_THROUGH", help="Where to connect instead of its URL."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a preview: address, health, commit, data and its age, expiry, cost item by item.

    Example: previews status 42

    Exits with 0 when it can be told, whatever it is, with 1 when not.
    """
    now = datetime.now(UTC)
    found = status_of(Clients(), stack.value, now, through=through)
    show(found, details(found, now), as_json=as_json)
