"""`previews preflight`: checks before anything is created."""

from __future__ import annotations

import typer

from contract.preview import Preview
from previews import output
from previews.clients import Clients
from previews.commands._arguments import PreviewArgument, this_run
from previews.diagnosis import failure_report
from previews.errors import Exit, PreviewsError, for_people
from previews.lifecycle.preflight import PreflightReport, preflight
from previews.output import AsJson, show
from previews.pull_request import comment
from previews.pull_request.presenter import DeployFailure


def command(preview: PreviewArgument, as_json: AsJson = False) -> None:
    """Check that a preview can be deployed: account, staging, data to copy, quotas, room.

    Otherwise a comment on the pull request has the reason, or its place in the queue where there
    is no room. An existing preview needs no more room.

    Example: previews preflight 42

    Exits with 0 when it can, with 3 when there is no room now, with 1 when there is a fault.
    """
    clients = Clients()
    try:
        report = preflight(
            preview,
            stacks=clients.stacks,
            pulls=clients.pulls,
            settings=clients.settings,
            aws=lambda: clients.aws,
            platform=lambda: clients.platform,
            cluster=lambda: clients.cluster,
            app=lambda: clients.app,
        )
    except Exception as error:
        _comment(clients, preview, for_people(f"preflight of {preview}", error))
        raise
    show(report, report.text(), as_json=as_json)
    failure = _error(report)
    if failure is not None:
        _comment(clients, preview, failure)
        output.failure(failure)
        raise typer.Exit(Exit.FAILED if report.faults else Exit.NO_ROOM)


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


def _error(report: PreflightReport) -> PreviewsError | None:
    if report.faults:
        return PreviewsError(
            "preflight-failed",
            f"preflight of {report.stack}",
            why="; ".join(f"{check.name}: {check.detail}" for check in report.faults),
            remedy=" ".join(check.remedy for check in report.faults),
        )
    if report.full:
        return PreviewsError(
            "no-room",
            report.stack,
            why="; ".join(f"{check.name}: {check.detail}" for check in report.full)
            + f"; it is number {report.place} in the queue",
            remedy=" ".join(check.remedy for check in report.full)
            + " The next push tries again, and so does /preview in a comment.",
        )
    return None
