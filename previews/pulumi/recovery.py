"""What a killed run had begun: found again and taken over, or proven not to be there.

Pulumi notes an operation before it asks a provider for it. A run that is killed leaves such
notes: of an update or a deletion the resource is in the state anyway, but of a creation only the
note says that something may be there. Clearing it forgets a live database; so it is looked for by
the name that the program had given it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from previews.pulumi.locks import Locks
from previews.pulumi.resource_lookup import Live
from previews.pulumi.state import Operation, StackState

if TYPE_CHECKING:
    from previews.clients import Clients

_CREATING = "creating"


class Recovered(BaseModel):
    """What became of the creations that were begun.

    Attributes:
        taken_over: Provider's ids of what is there, by URN; the state holds it now.
        absent: URNs of what is not there.
    """

    model_config = ConfigDict(frozen=True)

    taken_over: dict[str, str] = {}
    absent: list[str] = []


def take_over(clients: Clients, stack: str) -> StackState:
    """Make the stack unless it is there; else clear away what a killed run left in it.

    Returns:
        Its state.

    Raises:
        PreviewsError: Somebody holds the stack, or what a run had begun can't be looked for.
    """
    made = clients.stacks.create(stack)
    Locks(clients).take_note(stack)
    if made:
        return StackState(stack=stack, document={})
    return recovered_state(clients, stack)[1]


def recovered_state(clients: Clients, stack: str) -> tuple[Recovered, StackState]:
    """What `recover` found, and the state as it is after it."""
    state = clients.stacks.state(stack)
    recovered = _recover(clients, stack, state)
    return recovered, state if recovered == Recovered() else clients.stacks.state(stack)


def recover(clients: Clients, stack: str) -> Recovered:
    """Bring the state to what there is, where a killed run left creations unfinished.

    Raises:
        PreviewsError: Something can't be looked for; the state is as it was.
    """
    return _recover(clients, stack, clients.stacks.state(stack))


def _recover(clients: Clients, stack: str, state: StackState) -> Recovered:
    creations = [operation for operation in state.pending if operation.type == _CREATING]
    if not creations:
        return Recovered()
    live = Live(clients, stack)
    # All are looked for before anything is changed.
    found = {each.resource.urn: live.identify(each.resource) for each in creations}
    taken_over = {urn: identifier for urn, identifier in found.items() if identifier}
    _replace(clients, stack, with_known(state, taken_over))
    # What was taken over has inputs alone as yet; and whatever else is gone meanwhile is noticed.
    clients.stacks.refresh(stack)
    return Recovered(
        taken_over=taken_over,
        absent=[urn for urn, identifier in found.items() if not identifier],
    )


def with_known(state: StackState, found: dict[str, str]) -> dict[str, Any]:
    """The state's document, with what was found among its resources and no creation pending.

    ``pulumi refresh --import-pending-creates`` says that it does this; the engine drops what it
    notes (pkg/v3.274.1: nothing reads an operation of the kind ``importing``).

    Args:
        state: The state.
        found: Provider's ids of what is there, by URN.
    """
    deployment = dict(state.document["deployment"])
    resources = [dict(resource) for resource in deployment.get("resources") or []]
    pending = []
    for operation in deployment.get("pending_operations") or []:
        if Operation.model_validate(operation).type != _CREATING:
            pending.append(operation)
            continue
        resource = operation["resource"]
        if resource["urn"] in found:
            _add(resources, resource, found[resource["urn"]])
    deployment |= {"resources": resources, "pending_operations": pending}
    return {**state.document, "deployment": deployment}


def _add(resources: list[dict[str, Any]], resource: dict[str, Any], identifier: str) -> None:
    """Add what was found; one that it was to replace is there to be deleted from now on."""
    for known in resources:
        if known["urn"] == resource["urn"] and not known.get("delete"):
            if known.get("id") == identifier:
                return
            known["delete"] = True
    # Behind all others: what it depends on stands before it, and nothing depends on it.
    resources.append({**resource, "id": identifier, "outputs": resource.get("inputs", {})})


def _replace(clients: Clients, stack: str, document: dict[str, Any]) -> None:
    # It holds encrypted secrets, and is nobody else's to read.
    with tempfile.TemporaryDirectory(prefix="previews-") as folder:
        file = Path(folder) / "state.json"
        file.write_text(json.dumps(document))
        clients.stacks.replace_state(stack, file)
