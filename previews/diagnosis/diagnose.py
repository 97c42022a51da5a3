"""Finds out why an `up` failed: from what the engine said, and from what the cluster shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from previews.diagnosis.failure_report import Autopsy, Evidence, perform
from previews.errors import PreviewsError
from previews.pulumi.progress import State

if TYPE_CHECKING:
    from previews.clients import Clients
    from previews.pulumi.up import Outcome


class UpFailedError(PreviewsError):
    """A failed `up`; the presenter has shown all that was found."""

    @classmethod
    def of(cls, stack: str, found: Autopsy) -> UpFailedError:
        """What was found, as one message."""
        what = found.failed[0].gist if found.failed else ""
        return cls(
            "up-failed",
            stack,
            why=f"{found.cause.why} ({found.cause.code})" + (f": {what}" if what else ""),
            remedy=found.cause.remedy,
        )


def diagnose(clients: Clients, stack: str, outcome: Outcome, *, said: str) -> Autopsy:
    """Why a stack is not what it should be after an `up`.

    Args:
        clients: Whom to ask.
        stack: The stack.
        outcome: How the `up` ended.
        said: What was said of it, where no resource failed.
    """
    # Where Pulumi never came to the cluster, there is nothing in it to look at.
    reached = any(state.state is not State.WAITING for state in outcome.states)
    evidence = _evidence(clients, stack) if reached else Evidence()
    return perform(outcome.events, evidence, said=said)


def _evidence(clients: Clients, stack: str) -> Evidence:
    # The cluster's client takes a second to import, and most runs need no diagnosis.
    from previews.diagnosis.cluster_diagnostics import collect

    return collect(lambda: clients.cluster.api, stack)
