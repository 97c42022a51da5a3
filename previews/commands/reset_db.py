"""`previews reset-db`: begins a living preview's data anew."""

from __future__ import annotations

from previews.clients import Clients
from previews.commands._arguments import Bypass, Stack, Through, this_run
from previews.lifecycle.reset import begin_anew
from previews.output import AsJson, show


def command(
    stack: Stack, through: Through = None, bypass: Bypass = None, as_json: AsJson = False
) -> None:
    """Begin a preview's data anew; `/preview reset-db` in a comment does the same.

    What was written to its database is lost; the version that it serves stays. In mode branch a
    fresh clone takes the database's place in seconds. In mode snapshot its RDS instance is
    restored once more, which takes 10 to 15 minutes.

    Example: previews reset-db 42

    Exits with 0 when the service is up on fresh data, with 1 when it is not.
    """
    fresh = begin_anew(Clients(), stack, run=this_run(), through=through, bypass=bypass)
    show(fresh, fresh.text(), as_json=as_json)
