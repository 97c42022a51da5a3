"""`previews deploy-staging`: deploys a new image to staging, or rolls back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from contract.stack_name import AppName, StackName
from previews.clients import Clients
from previews.commands._arguments import ConnectTo, this_run
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError, for_people
from previews.lifecycle.staging import StagingDeployment
from previews.output import AsJson, progress, show


def command(
    image: Annotated[str, typer.Option(metavar="DIGEST", help="Digest of the new image.")],
    database_image: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="Digest of the new image that prepares databases; else it is built.",
        ),
    ] = None,
    commit: Annotated[
        str,
        typer.Option(
            envvar="GITHUB_SHA", metavar="SHA", help="Commit whose status shows the result."
        ),
    ] = "",
    connect_to: ConnectTo = None,
    as_json: AsJson = False,
) -> None:
    """Migrate, roll out, wait and test; roll back to the last good image when any of it fails.

    Example: previews deploy-staging --image sha256:0123…

    Exits with 0 when staging has the new image, with 1 when not, even after a rollback.
    """
    clients = Clients()
    staging = StackName.parse("staging", clients.settings.app_name)
    deployment = StagingDeployment(
        app=clients.app,
        folder=clients.settings.app_folder,
        stacks=clients.stacks,
        bypass=lambda: clients.bypass,
        claim=clients.claim,
        diagnose=clients.diagnose,
        connect_to=connect_to,
        through=lambda: clients.smoke_through(staging.namespace),
    )
    try:
        report = deployment.run(image, database_image)
    except (Exception, KeyboardInterrupt) as error:
        _publish(clients, commit, for_people("staging", error), this_run())
        raise
    _publish(clients, commit, None, this_run())
    show(report, f"staging has {report.image}: {report.url}", as_json=as_json)


def _context(app: AppName) -> str:
    return "staging" if app.is_platform else f"staging/{app}"


def _publish(clients: Clients, commit: str, error: PreviewsError | None, run_url: str) -> None:
    """Set the commit's status, and add a failure to the run's summary."""
    text = "deployed" if error is None else redact(error.why)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and error is not None:
        with Path(summary).open("a") as file:
            file.write(f"### Staging: {error.code}\n\n{text}\n\n{error.remedy}\n")
    if not commit:
        return
    try:
        clients.github.deployments.set_commit_status(
            commit,
            "success" if error is None else "failure",
            context=_context(clients.settings.app_name),
            description=text,
            url=run_url,
        )
    except PreviewsError as unanswered:
        progress(f"status of {commit[:12]}: {unanswered}")
