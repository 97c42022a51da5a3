"""`previews preflight`: checks before anything is created."""

from __future__ import annotations

from previews.clients import Clients
from previews.commands._arguments import PreviewArgument
from previews.commands._preflight import require_room
from previews.output import AsJson, show


def command(preview: PreviewArgument, as_json: AsJson = False) -> None:
    """Check that a preview can be deployed: account, staging, data to copy, quotas, room.

    An existing preview needs no more room. `previews up --images` does it by itself, and shows in
    the pull request what fails.

    Example: previews preflight 42

    Exits with 0 when it can, with 3 when there is no room now, with 1 when there is a fault.
    """
    clients = Clients()
    require_room(
        clients,
        preview,
        show=lambda report: show(report, report.text(), as_json=as_json),
    )
