"""Says in the pull request that its preview is gone, or what is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.stack_name import StackName
from previews import comment_text
from previews.output import progress
from previews.presenter import Presenter

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.removal import Receipt


def farewell(clients: Clients, receipt: Receipt) -> None:
    """Bring the comment up to date, where there is one; a preview that nobody saw gets none."""
    settings = clients.settings
    number = StackName.parse(receipt.stack).pull_request
    if number is None or not settings.github_repository:
        return
    if not settings.github_token.get_secret_value():
        progress(f"{receipt.stack}: without GITHUB_TOKEN its pull request is not told")
        return
    presenter = Presenter(clients.github, number)
    text = comment_text.removed(receipt.stack, seconds=receipt.seconds, left=receipt.left)
    presenter.amend(text)
    if receipt.complete:
        presenter.retire()
