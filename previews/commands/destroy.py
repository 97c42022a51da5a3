"""`previews destroy`: removes a preview, and proves it by looking."""

from __future__ import annotations

from typing import Annotated

import typer

from previews import output
from previews.clients import Clients
from previews.commands._arguments import Stack
from previews.errors import Exit, PreviewsError
from previews.lifecycle.destroy import destroy
from previews.output import AsJson, show


def command(
    stack: Stack,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Delete what is in no stack's state, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a preview, look whether anything of it is left, and print a receipt.

    Looks by tag and by name in RDS, EC2, Secrets Manager, ECR, ELB, Route 53, IAM, Kubernetes
    and GitHub. The stack is removed only when nothing is left.

    Example: previews destroy 42

    Exits with 0 when nothing is left, with 4 when something is, with 1 when that can't be told.
    """
    clients = Clients()
    receipt = destroy(clients, stack, leftovers=leftovers)
    clients.presenter(stack.pull_request or 0).removed(receipt)
    show(receipt, receipt.text(), as_json=as_json)
    if not receipt.complete:
        output.failure(
            PreviewsError(
                "leftovers",
                receipt.stack,
                why=f"still there after it was destroyed: {', '.join(receipt.left)}",
                remedy="run it again; what stays and is in no state goes with --leftovers.",
            )
        )
        raise typer.Exit(Exit.LEFT)
