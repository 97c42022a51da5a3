"""`previews smoke`: asks a living service whether it is what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from previews.errors import PreviewsError
from previews.lifecycle.smoke import smoke
from previews.output import AsJson, show
from previews.settings import PROJECT_ROOT


def command(
    url: Annotated[str, typer.Argument(metavar="URL", help="The service's address.")],
    commit: Annotated[
        str | None, typer.Option(help="The commit that must run, or its beginning.")
    ] = None,
    contract: Annotated[
        Path, typer.Option(help="The OpenAPI document that it must have.")
    ] = PROJECT_ROOT / "openapi.json",
    through: Annotated[
        str | None,
        typer.Option(
            envvar="PREVIEWS_THROUGH",
            help="Where to connect instead, for a host name that the resolver does not know.",
        ),
    ] = None,
    bypass: Annotated[
        str | None,
        typer.Option(envvar="PREVIEWS_BYPASS", help="What lets a test past the sign-in."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a service: health, version, one round trip through its data, contract.

    Example: previews smoke https://pr-42.preview.example.com --commit "$(git rev-parse HEAD)"

    Exits with 0 when all is well, with 1 when anything is not.
    """
    report = smoke(url, commit=commit, contract=contract, through=through, bypass=bypass)
    show(report, report.text(), as_json=as_json)
    if not report.passed:
        raise PreviewsError(
            "smoke-failed",
            url,
            why="; ".join(report.failures()),
            remedy="read the service's log: kubectl logs -n pr-N deployment/service.",
        )
