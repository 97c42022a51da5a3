"""`previews deploy-staging`: brings staging to a new image, or back to the last good one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import Bypass, Through, this_run
from previews.errors import PreviewsError
from previews.lifecycle.staging import StagingDeployment
from previews.output import AsJson, progress, show

_CONTEXT = "staging"


def command(
    image: Annotated[str, typer.Option(help="Digest of the new image.")],
    commit: Annotated[
        str, typer.Option(envvar="GITHUB_SHA", help="The commit whose status tells of it.")
    ] = "",
    through: Through = None,
    bypass: Bypass = None,
    as_json: AsJson = False,
) -> None:
    """Migrate, roll out, wait and smoke; when any of it fails, put the last good image back.

    Example: previews deploy-staging --image sha256:0123…

    Exits with 0 when staging has the new image, with 1 when not, even where it is back.
    """
    clients = Clients()
    deployment = StagingDeployment(clients, through=through, bypass=bypass)
    try:
        done = deployment.run(image)
    except PreviewsError as error:
        _tell(clients, commit, error, this_run())
        raise
    _tell(clients, commit, None, this_run())
    show(done, f"staging has {done.image}: {done.url}", as_json=as_json)


def _tell(clients: Clients, commit: str, error: PreviewsError | None, run_url: str) -> None:
    """Say it at the commit, and in the run's summary."""
    text = "deployed" if error is None else error.why
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and error is not None:
        with Path(summary).open("a") as file:
            file.write(f"### Staging: {error.code}\n\n{error.why}\n\n{error.remedy}\n")
    if not commit:
        return
    try:
        clients.github.deployments.set_commit_status(
            commit,
            "success" if error is None else "failure",
            context=_CONTEXT,
            description=text,
            url=run_url,
        )
    except PreviewsError as unanswered:
        progress(f"status of {commit[:12]}: {unanswered}")
