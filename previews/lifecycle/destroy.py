"""Removing a preview: destroyed by Pulumi, then proven to be gone by looking."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from previews import inventory
from previews.errors import PreviewsError
from previews.inventory import Item
from previews.lifecycle.terminating import explained
from previews.output import progress
from previews.pulumi.locks import Locks
from previews.pulumi.recovery import recovered_state

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from previews.clients import Clients
    from previews.pulumi.state import Resource

# RDS and the load balancer's controller take away their own a little later.
_LATE_SECONDS = 90
_LOOK_AGAIN_SECONDS = 5


class Receipt(BaseModel):
    """What was removed, where was looked, and what is left.

    Attributes:
        stack: The preview.
        had_stack: Whether there was a stack.
        unlocked: Whose locks were broken, since they are gone.
        taken_over: What a killed run had made and nobody had written down.
        deleted: What Pulumi deleted.
        leftovers_deleted: What no state held, and was deleted by itself.
        looked_in: Where was looked afterwards.
        left: What is still there.
        kept: What is there on purpose, and why.
        stack_removed: Whether the stack is gone.
        seconds: How long it took.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    had_stack: bool
    unlocked: list[str] = []
    taken_over: list[str] = []
    deleted: list[str] = []
    leftovers_deleted: list[str] = []
    looked_in: list[str] = []
    left: list[str] = []
    kept: list[str] = []
    stack_removed: bool = False
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether nothing of the preview is left."""
        return not self.left

    def text(self) -> str:
        """What a person reads."""
        lines = [f"[bold]{self.stack}[/]: " + self._summary()]
        lines += [f"  {holder}: its lock was broken" for holder in self.unlocked]
        lines += [f"  taken over first: {urn}" for urn in self.taken_over]
        lines += [f"  deleted: {line}" for line in [*self.deleted, *self.leftovers_deleted]]
        lines += [f"  kept: {line}" for line in self.kept]
        lines += [f"  [red]left: {line}[/]" for line in self.left]
        return "\n".join(lines)

    def _summary(self) -> str:
        places_looked = ", ".join(self.looked_in)
        if self.left:
            return f"{len(self.left)} left; its state is kept"
        count = len(self.deleted) + len(self.leftovers_deleted)
        return f"nothing is left in {places_looked} ({count} deleted in {self.seconds:.0f} s)"


def destroy(clients: Clients, stack: StackName, *, leftovers: bool = False) -> Receipt:
    """Remove a preview and look whether anything of it is left.

    Can be run again at any time, and killed in the middle: the stack goes last.

    Args:
        clients: Whom to ask.
        stack: A preview's stack.
        leftovers: Whether to delete what is found in no state, too.

    Raises:
        PreviewsError: Pulumi or a place fails; the state is kept.
    """
    began = time.monotonic()
    name = stack.value
    had_stack = clients.stacks.exists(name)
    receipt = Receipt(stack=name, had_stack=had_stack)
    if had_stack:
        receipt = _destroy_stack(clients, name, receipt)
    removed: list[Item] = []
    if leftovers:
        progress(f"{name}: deleting what is in no state")
        removed = _delete(clients, inventory.of_stack(inventory.look(clients.places), name))
    progress(f"{name}: looking whether anything is left")
    found = until_gone(clients, name)
    left = [item for item in found if item.counts]
    if not left:
        # What GitHub shows of it goes with it, and with it alone.
        removed += _delete(clients, [item for item in found if not item.keep])
        found = [item for item in found if item not in removed]
        if had_stack:
            clients.stacks.remove(name)
    return receipt.model_copy(
        update={
            "leftovers_deleted": [str(item) for item in removed],
            "looked_in": [place.name for place in clients.places],
            "left": [str(item) for item in left],
            "kept": [f"{item}: {item.keep}" for item in found if not item.counts],
            "stack_removed": had_stack and not left,
            "seconds": time.monotonic() - began,
        }
    )


def until_gone(clients: Clients, stack: str) -> list[Item]:
    """What is left of a stack, looked for again while something that counts is there.

    Returns:
        All that is found in the end.
    """

    def find() -> list[Item]:
        return inventory.of_stack(inventory.look(clients.places), stack)

    again = Retrying(
        retry=retry_if_result(lambda found: any(item.counts and item.keep for item in found)),
        stop=stop_after_delay(_LATE_SECONDS),
        wait=wait_fixed(_LOOK_AGAIN_SECONDS),
    )
    try:
        return again(find)
    except RetryError as error:
        return list(error.last_attempt.result())


def _destroy_stack(clients: Clients, name: str, receipt: Receipt) -> Receipt:
    locks = Locks(clients)
    broken = locks.free(name)
    locks.take_note(name)
    recovered, state = recovered_state(clients, name)
    try:
        clients.stacks.destroy(name)
    except PreviewsError as error:
        if error.code == "interrupted":
            raise
        raise explained(clients, name, error) from error
    return receipt.model_copy(
        update={
            "unlocked": [str(each) for each in broken],
            "taken_over": sorted(recovered.taken_over),
            "deleted": [_line(resource) for resource in state.resources if _is_real(resource)],
        }
    )


def _delete(clients: Clients, items: Sequence[Item]) -> list[Item]:
    """Delete what is for this program to delete, in the order of the places."""
    order = [place.name for place in clients.places]
    deletable = [item for item in items if not item.keep]
    deletable.sort(key=lambda item: order.index(item.place))
    for item in deletable:
        progress(f"{item.stack}: {item}")
        inventory.remove(clients.places, item)
    return deletable


def _is_real(resource: Resource) -> bool:
    return resource.custom and not resource.external and not resource.type.startswith("pulumi:")


def _line(resource: Resource) -> str:
    return f"{resource.type} {resource.id}"
