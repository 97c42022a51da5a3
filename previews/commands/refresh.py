"""`previews refresh`: newer data for new previews in mode branch."""

from __future__ import annotations

from previews.clients import Clients
from previews.lifecycle.refresh import RefreshSkipped
from previews.output import AsJson, show


def command(as_json: AsJson = False) -> None:
    """Restore staging's newest snapshot on a second server, scrub and prove it, then switch to it.

    Existing previews keep their databases; a server is removed by the first refresh after its
    last preview. A refresh that fails changes nothing, and reports it.

    Example: previews refresh

    Exits with 0 when new previews get the newest data, or the platform has no mode branch; with 1
    when the previous server stays in use.
    """
    clients = Clients()
    if not clients.platform.branches.namespace:
        skipped = RefreshSkipped()
        show(skipped, skipped.text(), as_json=as_json)
        return
    report = clients.refresh().run()
    show(report, report.text(), as_json=as_json)
