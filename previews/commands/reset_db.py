"""`previews reset-db`: replaces an existing preview's data by a fresh copy."""

from __future__ import annotations

from previews.clients import Clients
from previews.commands._arguments import ConnectTo, PreviewArgument, this_run
from previews.output import AsJson, show


def command(
    preview: PreviewArgument,
    connect_to: ConnectTo = None,
    as_json: AsJson = False,
) -> None:
    """Replace a preview's data by a fresh copy; `/preview reset-db` in a comment does the same.

    Everything written to its database is lost; the version that it serves stays. In mode branch
    a fresh clone replaces the database in seconds. In mode snapshot its RDS instance is restored
    again, which takes 10 to 15 minutes.

    Example: previews reset-db 42

    Exits with 0 when the service is up with fresh data, with 1 when it is not.
    """
    report = Clients().reset_database(preview, run_url=this_run(), connect_to=connect_to)
    show(report, report.text(), as_json=as_json)
