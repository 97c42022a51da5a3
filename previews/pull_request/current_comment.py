"""What the pull request's comment says of a preview as it is now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from previews.diagnosis import migration_log
from previews.pull_request import comment
from previews.pull_request.presenter import Arrival
from previews.reporting.status import status_of

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from previews.clients import Clients


def comment_now(
    clients: Clients,
    stack: StackName,
    *,
    through: str | None = None,
    reset: bool = False,
) -> str:
    """The comment of a preview that is up.

    Args:
        clients: Whom to ask.
        stack: The preview.
        through: As in `smoke`.
        reset: Whether its data was just begun anew.

    Raises:
        PreviewsError: Pulumi or GitHub gives no answer.
    """
    now = datetime.now(UTC)
    pull = clients.pulls.read(stack.pull_request or 0)
    arrival = Arrival(
        facts=status_of(clients, stack.value, now, through=through).facts,
        states=(),
        seconds=None,
        migration=migration_log.read(lambda: clients.cluster.api, stack.value),
        kept=clients.settings.keep_label in pull.labels,
    )
    return comment.up(arrival, now=now, reset=now if reset else None)
