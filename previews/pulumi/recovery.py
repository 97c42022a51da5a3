"""Unfinished creations of a killed run: adopted into the state, or proven absent.

Pulumi records an operation before it requests it from a provider. A killed run leaves such
records. The resource of an update or a deletion is in the state anyway, but that of a creation is
only in its record. Clearing the record would forget a live database, so the resource is looked up
by the name that the program gave it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from previews.pulumi.state import Operation, StackState

if TYPE_CHECKING:
    from previews.pulumi.locks import Locks
    from previews.pulumi.resource_lookup import ResourceLookup
    from previews.pulumi.stacks import Stacks

_CREATING = "creating"


class Recovered(BaseModel):
    """The outcome of the unfinished creations.

    Attributes:
        adopted: Provider's ids of the resources that exist, by URN; the state holds them now.
        absent: URNs of those that don't exist.
    """

    model_config = ConfigDict(frozen=True)

    adopted: dict[str, str] = {}
    absent: list[str] = []


def create_or_recover(
    stack: str, *, stacks: Stacks, locks: Locks, lookup: Callable[[], ResourceLookup]
) -> StackState:
    """Create the stack unless it exists, else recover it; return its state.

    Args:
        stack: The stack.
        stacks: The project's stacks.
        locks: Their locks; this run is recorded as the owner of the stack's.
        lookup: Returns the look-up of the stack's resources; called only where one is needed.

    Raises:
        PreviewsError: Another run holds the stack, or an unfinished creation can't be looked up.
    """
    created = stacks.create(stack)
    locks.record_owner(stack)
    if created:
        return StackState(stack=stack, document={})
    return recovered_state(stack, stacks=stacks, lookup=lookup)[1]


def recovered_state(
    stack: str, *, stacks: Stacks, lookup: Callable[[], ResourceLookup]
) -> tuple[Recovered, StackState]:
    """Recover the stack as `recover`; return the outcome and the state after it."""
    state = stacks.state(stack)
    recovered = _recover(state, stacks, lookup)
    return recovered, state if recovered == Recovered() else stacks.state(stack)


def recover(stack: str, *, stacks: Stacks, lookup: Callable[[], ResourceLookup]) -> Recovered:
    """Resolve the creations that a killed run left unfinished in the stack's state.

    Raises:
        PreviewsError: One of them can't be looked up; the state is unchanged.
    """
    return _recover(stacks.state(stack), stacks, lookup)


def _recover(state: StackState, stacks: Stacks, lookup: Callable[[], ResourceLookup]) -> Recovered:
    creations = [operation for operation in state.pending if operation.type == _CREATING]
    if not creations:
        return Recovered()
    resources = lookup()
    # All are looked up before anything is changed.
    found = {each.resource.urn: resources.identify(each.resource) for each in creations}
    adopted = {urn: identifier for urn, identifier in found.items() if identifier}
    _replace(stacks, state.stack, with_adopted(state, adopted))
    # An adopted resource has only its inputs yet; a refresh also finds what else is gone.
    stacks.refresh(state.stack)
    return Recovered(
        adopted=adopted,
        absent=[urn for urn, identifier in found.items() if not identifier],
    )


def with_adopted(state: StackState, found: dict[str, str]) -> dict[str, Any]:
    """Return the state's document with the found resources and without pending creations.

    ``pulumi refresh --import-pending-creates`` documents the same; the engine drops its
    operations (pkg/v3.274.1: nothing reads an operation of type ``importing``).

    Args:
        state: The state.
        found: Provider's ids of the resources that exist, by URN.
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
    """Add a found resource; one that it was to replace is marked for deletion."""
    for existing in resources:
        if existing["urn"] == resource["urn"] and not existing.get("delete"):
            if existing.get("id") == identifier:
                return
            existing["delete"] = True
    # At the end: its dependencies precede it, and nothing depends on it yet.
    resources.append({**resource, "id": identifier, "outputs": resource.get("inputs", {})})


def _replace(stacks: Stacks, stack: str, document: dict[str, Any]) -> None:
    # The state holds encrypted secrets: only this user may read the file.
    with tempfile.TemporaryDirectory(prefix="previews-") as folder:
        file = Path(folder) / "state.json"
        file.write_text(json.dumps(document))
        stacks.replace_state(stack, file)
