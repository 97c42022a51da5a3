"""`previews destroy`: removes a preview, and proves it by looking for leftovers."""

from __future__ import annotations

from typing import Annotated

import typer

from previews import output
from previews.clients import Clients
from previews.commands._arguments import PreviewArgument, this_run
from previews.errors import Exit, PreviewsError
from previews.output import AsJson, show


def command(
    preview: PreviewArgument,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Delete resources that are in no state, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a preview, look for anything of it that is left, and print a report.

    Looks by tag and by name in RDS, EC2, Secrets Manager, ECR, ELB, Route 53, IAM, Kubernetes
    and GitHub. The stack is removed only when nothing is left.

    Example: previews destroy 42

    Exits with 0 when nothing is left, with 4 when something is, with 1 when that is unknown.
    """
    report = Clients().destroy(preview, leftovers=leftovers, run_url=this_run())
    show(report, report.text(), as_json=as_json)
    if not report.complete:
        output.failure(
            PreviewsError(
                "leftovers",
                report.stack,
                why=f"still there after it was destroyed: {', '.join(report.left)}",
                remedy="run it again; --leftovers deletes what is left and in no state.",
            )
        )
        raise typer.Exit(Exit.LEFT)
