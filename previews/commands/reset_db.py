"""`previews reset-db`: a fresh clone for a living preview."""

from __future__ import annotations

from previews.clients import Clients
from previews.commands._arguments import Stack
from previews.database_reset import reset
from previews.output import AsJson, show


def command(stack: Stack, as_json: AsJson = False) -> None:
    """Put a fresh clone in the place of a preview's database, and its service on it.

    For previews in mode branch. What was written to the database is lost; its data is again
    that of the snapshot that the preview has had from its start. The version that runs stays.

    Example: previews reset-db 42

    Exits with 0 when the service is up on the fresh clone, with 1 when it is not.
    """
    result = reset(Clients(), stack)
    show(result, result.text(), as_json=as_json)
