"""`previews status`: shows one preview."""

from __future__ import annotations

from datetime import UTC, datetime

from previews.clients import Clients
from previews.commands._arguments import ConnectTo, PreviewArgument
from previews.output import AsJson, show
from previews.reporting.status import details, status_of


def command(
    preview: PreviewArgument, connect_to: ConnectTo = None, as_json: AsJson = False
) -> None:
    """Show a preview: URL, health, commit, data and its age, expiry, cost item by item.

    Example: previews status 42

    Exits with 0 when it is shown, healthy or not, with 1 when Pulumi does not answer.
    """
    now, clients = datetime.now(UTC), Clients()
    found = status_of(
        preview,
        now,
        stacks=clients.stacks,
        platform=lambda: clients.platform,
        ttl_days=clients.settings.ttl_days,
        connect_to=connect_to,
    )
    show(found, details(found, now), as_json=as_json)
