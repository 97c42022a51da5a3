"""`previews preflight`: checks before anything is created."""

from __future__ import annotations

from contract.preview import Preview
from previews.clients import Clients
from previews.commands._arguments import PreviewArgument, this_run
from previews.commands._preflight import require_room
from previews.diagnosis import failure_report
from previews.errors import PreviewsError
from previews.output import AsJson, show
from previews.pull_request import comment
from previews.pull_request.presenter import DeployFailure


def command(preview: PreviewArgument, as_json: AsJson = False) -> None:
    """Check that a preview can be deployed: account, staging, data to copy, quotas, room.

    Otherwise a comment on the pull request has the reason, or its place in the queue where there
    is no room. An existing preview needs no more room. `previews up --images` does it by itself.

    Example: previews preflight 42

    Exits with 0 when it can, with 3 when there is no room now, with 1 when there is a fault.
    """
    clients = Clients()
    require_room(
        clients,
        preview,
        show=lambda report: show(report, report.text(), as_json=as_json),
        tell=lambda error: _comment(clients, preview, error),
    )


def _comment(clients: Clients, preview: Preview, error: PreviewsError) -> None:
    """Comment on the pull request why nothing was created, or its place in the queue."""
    if clients.settings.local:
        return
    run = this_run()
    if error.code == "no-room":
        text = comment.no_room(preview.name, error.why, error.remedy, run=run)
    else:
        commit = clients.github.pulls.read(preview.number).head_sha
        failure = DeployFailure(failure_report.report_error(error), ())
        text = comment.failed(preview.name, commit, failure, run=run)
    clients.pull_request_presenter(preview, run_url=run).show(text)
