"""`previews up`: deploys a pull request's preview, and shows the progress there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import Bypass, ConnectTo, PreviewArgument, this_run
from previews.errors import PreviewsError
from previews.output import AsJson, show


def command(
    preview: PreviewArgument,
    image: Annotated[
        str | None, typer.Option(help="Digest of its image; without it the program builds one.")
    ] = None,
    connect_to: ConnectTo = None,
    bypass: Bypass = None,
    outputs: Annotated[
        Path | None,
        typer.Option(envvar="GITHUB_OUTPUT", help="File that the step's outputs are added to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deploy a preview: `pulumi up`, a smoke test, and one comment with the progress.

    When it fails, the comment has the failure report, so that nobody needs access to the cluster.

    Example: previews up 42 --image sha256:0123…

    Exits with 0 when it is up and passed its smoke test, with 1 when not.
    """
    clients = Clients()
    pull = clients.pulls.read(preview.number)
    if not pull.is_open:
        raise PreviewsError(
            "pull-request-closed",
            f"pull request {preview.number}",
            why="it is closed, and a closed pull request has no preview",
            remedy="reopen it first; to remove what is left of its preview: previews destroy N.",
        )
    presenter = clients.presenter(preview, run_url=this_run(), connect_to=connect_to)
    tests_follow = outputs is not None and clients.app.tests is not None
    deployment = clients.deployment(
        preview,
        pull,
        presenter,
        connect_to=connect_to,
        bypass=bypass,
        tests_follow=tests_follow,
    )
    report = deployment.run(image=image)
    if outputs is not None:
        # Another job runs the tests, which has no access to the stack.
        with outputs.open("a") as opened:
            opened.write(f"url={report.url}\ntests={str(tests_follow).lower()}\n")
    show(report, report.text(), as_json=as_json)
