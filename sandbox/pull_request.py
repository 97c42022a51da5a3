"""A pull request's preview on the sandbox: the same code as in CI, with output on the terminal."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from contract.stack_name import StackName
from previews.clients import Clients
from previews.lifecycle import destroy as lifecycle
from previews.lifecycle.database_mode import LABELS
from previews.lifecycle.deploy import BringUp
from previews.settings import Settings as PreviewsSettings
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mode(StrEnum):
    """Source of the preview's data (``previews:database.mode``)."""

    SNAPSHOT = "snapshot"
    BRANCH = "branch"


def clients(variables: Mapping[str, str], mode: Mode | None = None) -> Clients:
    """Return the lifecycle's clients for this sandbox and the working tree.

    Args:
        variables: Result of ``sandbox.environment.variables``. They are set in this process,
            where Pulumi and the clients of AWS and Kubernetes read them.
        mode: Database mode that the pull request's labels select.
    """
    os.environ.update(variables)
    labels = frozenset(label for label, selected in LABELS.items() if selected == mode)
    return Clients(PreviewsSettings.read(local=True, labels=labels))


def deploy(number: int, clients: Clients) -> str:
    """Create the preview, or update it to the working tree.

    Returns:
        Its URL; the preview has passed the smoke test.

    Raises:
        PreviewsError: The deployment failed; the terminal shows the reason.
    """
    presenter = clients.presenter(number)
    bringing = BringUp(
        clients,
        f"pr-{number}",
        clients.pulls.read(number),
        presenter,
        through=os.environ["PREVIEWS_THROUGH"],
    )
    return bringing.run(image=None).url


def destroy(number: int, clients: Clients) -> None:
    """Delete the preview, then check that nothing of it is left.

    Raises:
        PreviewsError: Pulumi fails, or another run holds the stack's lock.
        SandboxError: Something is left.
    """
    stack = StackName.parse(f"pr-{number}")
    receipt = lifecycle.destroy(clients, stack)
    clients.presenter(number).removed(receipt)
    if not receipt.complete:
        raise SandboxError(
            stack.value,
            why=f"left after its deletion: {', '.join(receipt.left)}",
            remedy=f"run `make destroy PR={number}` again; delete by hand what is left then.",
        )
