"""`previews list`: every preview that there is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from previews.clients import Clients
from previews.output import AsJson, show
from previews.reporting.status import statuses, table


def command(
    through: Annotated[
        str | None,
        typer.Option(envvar="PREVIEWS_THROUGH", help="Where to connect instead of their URLs."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the previews: address, health, age, their data's age, expiry, cost so far.

    Example: previews list --json

    Exits with 0 when they can be told, with 1 when not.
    """
    now = datetime.now(UTC)
    found = statuses(Clients(), now, through=through)
    show(found, table(found.previews, now), as_json=as_json)
