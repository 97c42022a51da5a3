"""`previews refresh`: newer data for new previews in mode branch."""

from __future__ import annotations

from previews.clients import Clients
from previews.lifecycle.refresh import Off, refresh
from previews.output import AsJson, show


def command(as_json: AsJson = False) -> None:
    """Restore staging's newest snapshot beside what serves, scrub and prove it, then swap.

    Living previews stay where they are; a server goes when its last preview has gone and
    a later refresh finds it so. A refresh that fails changes nothing, and says so.

    Example: previews refresh

    Exits with 0 when new previews get the newest data, or the platform hands out none in this
    mode; with 1 when the former server serves on.
    """
    clients = Clients()
    if not clients.platform.branches.namespace:
        off = Off()
        show(off, off.text(), as_json=as_json)
        return
    result = refresh(clients)
    show(result, result.text(), as_json=as_json)
