"""`previews list`: lists every preview."""

from __future__ import annotations

from datetime import UTC, datetime

from previews.clients import Clients
from previews.commands._arguments import ConnectTo
from previews.output import AsJson, show
from previews.reporting.status import statuses, table


def command(connect_to: ConnectTo = None, as_json: AsJson = False) -> None:
    """List the previews: URL, health, age, age of the data, expiry, cost so far.

    Example: previews list --json

    Exits with 0 when they are listed, with 1 when Pulumi does not answer.
    """
    now, clients = datetime.now(UTC), Clients()
    found = statuses(
        now,
        stacks=clients.stacks,
        platform=lambda: clients.platform,
        ttl_days=clients.settings.ttl_days,
        connect_to=connect_to,
    )
    show(found, table(found.previews, now), as_json=as_json)
