"""`previews preflight`: looks before anything is made."""

from __future__ import annotations

import typer

from contract.stack_name import StackName
from previews import output
from previews.clients import Clients
from previews.commands._arguments import Stack, this_run
from previews.diagnosis import failure_report
from previews.errors import Exit, PreviewsError
from previews.lifecycle.preflight import preflight
from previews.lifecycle.preflight_report import Report
from previews.output import AsJson, show
from previews.pull_request import comment
from previews.pull_request.github_presenter import PullRequestPresenter
from previews.pull_request.presenter import Failure


def command(stack: Stack, as_json: AsJson = False) -> None:
    """Look whether a preview can come up: account, staging, data to copy, quotas, room.

    Where it can not, a comment on the pull request says why; where there is no room, its place in
    the queue. A preview that is there already needs no more room.

    Example: previews preflight 42

    Exits with 0 when it can, with 3 when there is no room now, with 1 when something is wrong.
    """
    clients = Clients()
    try:
        report = preflight(clients, stack)
    except PreviewsError as error:
        _tell(clients, stack, error)
        raise
    show(report, report.text(), as_json=as_json)
    complaint = _complaint(report)
    if complaint is not None:
        _tell(clients, stack, complaint)
        output.failure(complaint)
        raise typer.Exit(Exit.FAILED if report.broken else Exit.NO_ROOM)


def _tell(clients: Clients, stack: StackName, error: PreviewsError) -> None:
    """Say in the pull request why nothing was made, or that it waits, and for how many."""
    if clients.settings.local:
        return
    number, run = stack.pull_request or 0, this_run()
    if error.code == "no-room":
        text = comment.no_room(stack.value, error.why, error.remedy, run=run)
    else:
        commit = clients.github.pulls.read(number).head_sha
        failure = Failure(failure_report.of_error(error), ())
        text = comment.failed(stack.value, commit, failure, run=run)
    PullRequestPresenter(clients.github, number, run_url=run).show(text)


def _complaint(report: Report) -> PreviewsError | None:
    if report.broken:
        return PreviewsError(
            "preflight-failed",
            f"what {report.stack} needs",
            why="; ".join(f"{check.name}: {check.detail}" for check in report.broken),
            remedy=" ".join(check.remedy for check in report.broken),
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
