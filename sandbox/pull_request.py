"""A pull request's preview on the sandbox: by the same code as in CI, shown on the terminal."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from contract.preview import Preview
from previews.clients import Clients
from previews.lifecycle.label_config import DATABASE_MODE_LABELS
from previews.settings import Settings as PreviewsSettings
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mode(StrEnum):
    """Where the preview's data comes from (``previews:database.mode``)."""

    SNAPSHOT = "snapshot"
    BRANCH = "branch"


_NEXT_COMMANDS = ("make push PR={number}", "make status", "make destroy PR={number}")


def clients(
    variables: Mapping[str, str], mode: Mode | None = None, *, verbose: bool = False
) -> Clients:
    """Return the clients of the lifecycle: this sandbox, and the working tree as pull request.

    Args:
        variables: Result of ``sandbox.environment.variables``; they become variables of this
            process, since Pulumi and the clients of AWS and the cluster read them there.
        mode: The mode that the pull request's labels request.
        verbose: Whether Pulumi's output goes to the terminal and not to the log file.
    """
    os.environ.update(variables)
    labels = frozenset(label for label, value in DATABASE_MODE_LABELS.items() if value == mode)
    settings = PreviewsSettings.read(local=True, labels=labels)
    if verbose:
        settings = settings.model_copy(update={"pulumi_log": None})
    return Clients(settings, next_commands=_NEXT_COMMANDS)


def deploy(preview: Preview, clients: Clients) -> str:
    """Deploy the working tree as a preview.

    Returns:
        Its URL, which has passed the smoke test.

    Raises:
        PreviewsError: The deployment failed; the terminal shows why.
    """
    connect_to = os.environ["PREVIEWS_THROUGH"]
    presenter = clients.presenter(preview, connect_to=connect_to)
    pull = clients.pulls.read(preview.number)
    return clients.deployment(preview, pull, presenter, connect_to=connect_to).run(image=None).url


def destroy(preview: Preview, clients: Clients) -> None:
    """Remove the preview, then look for anything of it that is left.

    Raises:
        PreviewsError: Pulumi fails, or another process works on the stack.
        SandboxError: Something is still there afterwards.
    """
    report = clients.destroy(preview, leftovers=False)
    if not report.complete:
        raise SandboxError(
            preview.name,
            why=f"still there after it was destroyed: {', '.join(report.left)}",
            remedy=f"run it again: make destroy PR={preview.number}; remove the rest by hand.",
        )
