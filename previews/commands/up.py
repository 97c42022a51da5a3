"""`previews up`: brings a pull request's preview up, and shows there how it goes."""

from __future__ import annotations

from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import Bypass, Stack, Through, this_run
from previews.errors import PreviewsError
from previews.lifecycle.deploy import BringUp
from previews.output import AsJson, show


def command(
    stack: Stack,
    image: Annotated[
        str | None, typer.Option(help="Digest of its image; without it the program builds one.")
    ] = None,
    through: Through = None,
    bypass: Bypass = None,
    as_json: AsJson = False,
) -> None:
    """Bring a preview up: `pulumi up`, a smoke test, and one comment that says how it goes.

    When it fails, the comment says why, so that nobody needs access to the cluster.

    Example: previews up 42 --image sha256:0123…

    Exits with 0 when it is up and passed its smoke test, with 1 when not.
    """
    clients = Clients()
    number = stack.pull_request or 0
    pull = clients.pulls.read(number)
    if not pull.is_open:
        raise PreviewsError(
            "pull-request-closed",
            f"pull request {number}",
            why="it is closed, and a closed one has no preview",
            remedy="reopen it first; what is left of its preview goes with: previews destroy N.",
        )
    presenter = clients.presenter(number, run_url=this_run())
    bringing = BringUp(clients, stack.value, pull, presenter, through=through, bypass=bypass)
    report = bringing.run(image=image)
    show(report, report.text(), as_json=as_json)
