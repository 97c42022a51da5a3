"""The checks before a deployment, as commands make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from previews import output
from previews.errors import Exit, PreviewsError, for_people
from previews.lifecycle.preflight import PreflightReport, preflight

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.preview import Preview
    from previews.clients import Clients


def report_of(clients: Clients, preview: Preview) -> PreflightReport:
    """Check everything that a preview needs, as `preflight`."""
    return preflight(
        preview,
        stacks=clients.stacks,
        pulls=clients.pulls,
        settings=clients.settings,
        aws=lambda: clients.aws,
        platform=lambda: clients.platform,
        cluster=lambda: clients.cluster,
        app=lambda: clients.app,
    )


def require_room(
    clients: Clients,
    preview: Preview,
    *,
    show: Callable[[PreflightReport], None],
    on_failure: Callable[[PreviewsError], None] = lambda _: None,
) -> None:
    """Check everything that a preview needs, and end the command unless all is there.

    Args:
        clients: The clients.
        preview: The preview.
        show: Shows the report, passed or not.
        on_failure: Shows people in the pull request why nothing is created.

    Raises:
        Exit: A check failed.
    """
    try:
        report = report_of(clients, preview)
    except Exception as error:
        on_failure(for_people(f"preflight of {preview}", error))
        raise
    show(report)
    failure = _error(report)
    if failure is not None:
        on_failure(failure)
        output.failure(failure)
        raise typer.Exit(Exit.FAILED if report.faults else Exit.NO_ROOM)


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
