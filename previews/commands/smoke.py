"""`previews smoke`: tests a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from previews.app import read_description
from previews.commands._arguments import ConnectTo
from previews.errors import PreviewsError
from previews.lifecycle.smoke import smoke
from previews.output import AsJson, show
from previews.settings import PROJECT_ROOT, Settings


def command(
    url: Annotated[str, typer.Argument(metavar="URL", help="The service's URL.")],
    commit: Annotated[
        str | None, typer.Option(metavar="SHA", help="Commit that must run, or its beginning.")
    ] = None,
    app: Annotated[
        Path,
        typer.Option(
            envvar="PREVIEWS_APP", metavar="DIR", help="Folder of the app's preview.yaml."
        ),
    ] = PROJECT_ROOT,
    connect_to: ConnectTo = None,
    as_json: AsJson = False,
) -> None:
    """Test an app: its health, its version, and the requests of its preview.yaml.

    Example: previews smoke https://pr-42.preview.example.com --commit "$(git rev-parse HEAD)"

    Exits with 0 when every check passes, with 1 when one fails.
    """
    report = smoke(
        url,
        read_description(app),
        folder=app,
        commit=commit,
        connect_to=connect_to,
        bypass=Settings.read().bypass.get_secret_value(),
    )
    show(report, report.text(), as_json=as_json)
    if not report.passed:
        raise PreviewsError(
            "smoke-failed",
            url,
            why="; ".join(report.failures()),
            remedy="read the service's log: kubectl logs -n pr-N deployment/service.",
        )
