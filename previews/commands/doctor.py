"""`previews doctor`: examines the settings that the platform needs around itself."""

from __future__ import annotations

from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import ConnectTo
from previews.doctor.examination import Examination
from previews.output import AsJson, show


def command(
    from_ci: Annotated[
        bool,
        typer.Option(
            "--from-ci", help="Only what depends on this machine: account, cluster, address."
        ),
    ] = False,
    connect_to: ConnectTo = None,
    as_json: AsJson = False,
) -> None:
    """Read GitHub's settings and AWS, and name what is missing with the command that mends it.

    Nothing is changed. GITHUB_REPOSITORY is the app's repository, and GITHUB_TOKEN the token of
    somebody who administers it; AWS's credentials are a person's of the platform.

    Example: previews doctor --json

    Exits with 0 when nothing is missing, with 1 when something is, with 5 when nothing is known to
    be missing and something could not be read.
    """
    from boto3.session import Session  # noqa: PLC0415 - It takes 0.2 s, and each command is imported.

    clients = Clients()
    report = Examination(
        settings=clients.settings,
        github=clients.github,
        account=Session,
        aws=lambda: clients.aws,
        platform=lambda: clients.platform,
        cluster=lambda: clients.cluster,
        app=lambda: clients.app,
        connect_to=connect_to,
    ).run(from_ci=from_ci)
    show(report, report.text(), as_json=as_json)
    if report.exit_code:
        raise typer.Exit(report.exit_code)
