"""A pull request's preview on the sandbox: by the same code as in CI, shown on the terminal."""

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
    """Where the preview's data comes from (``previews:database.mode``)."""

    SNAPSHOT = "snapshot"
    BRANCH = "branch"


def clients(variables: Mapping[str, str], mode: Mode | None = None) -> Clients:
    """What the lifecycle talks to: this sandbox, and the working tree in a pull request's place.

    Args:
        variables: What ``sandbox.environment.variables`` returned; from here on they are those
            of this process, since Pulumi, AWS's client and the cluster's read them there.
        mode: The mode that the pull request's labels ask for.
    """
    os.environ.update(variables)
    labels = frozenset(label for label, asked in LABELS.items() if asked == mode)
    return Clients(PreviewsSettings.read(local=True, labels=labels))


def bring_up(number: int, clients: Clients) -> str:
    """Bring the preview up, or to the working tree.

    Returns:
        Its URL, which has passed the smoke test.

    Raises:
        PreviewsError: It did not come up; the terminal shows why.
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
    """Remove the preview, then look for anything of it that is left.

    Raises:
        PreviewsError: Pulumi fails, or somebody is at it.
        SandboxError: Something is still there afterwards.
    """
    stack = StackName.parse(f"pr-{number}")
    receipt = lifecycle.destroy(clients, stack)
    clients.presenter(number).removed(receipt)
    if not receipt.complete:
        raise SandboxError(
            stack.value,
            why=f"still there after it was destroyed: {', '.join(receipt.left)}",
            remedy=f"run it again: make destroy PR={number}; what stays, remove by hand.",
        )
