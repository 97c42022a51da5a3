"""Removal of a preview: destroyed by Pulumi, then proven by looking for what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from rich.markup import escape
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.preview import Preview
from previews import inventory
from previews.diagnosis.hook_logs import HookRun
from previews.errors import PreviewsError, StoppedError
from previews.inventory import Item, ResourceFinder
from previews.lifecycle.deletions import (
    deletions_kept,
    keep_deletions,
    lines_of,
    read_deletions,
)
from previews.lifecycle.hooks import before_destroy
from previews.lifecycle.terminating import explain
from previews.output import progress

if TYPE_CHECKING:
    from previews.kubernetes import Cluster
    from previews.pulumi.locks import Locks
    from previews.pulumi.recovery import Recovered
    from previews.pulumi.stacks import Stacks
    from previews.pulumi.state import StackState

# RDS and the load balancer's controller delete their own resources a little later.
_LATE_SECONDS = 90
_LOOK_AGAIN_SECONDS = 5


class DestroyReport(BaseModel):
    """Result of a removal.

    Attributes:
        stack: Name of the preview.
        had_stack: True if there was a stack.
        unlocked: Holders whose locks were broken, since they have ended.
        taken_over: URNs of resources that a killed run had created and not recorded.
        hook: The run of the hook ``before-destroy``; None where there was none.
        deleted: Resources that Pulumi deleted, also in earlier runs that failed.
        leftovers_deleted: Resources of no state that were deleted directly.
        looked_in: Places that were searched afterwards.
        left: Resources that still exist.
        kept: Resources that are kept on purpose, and why.
        stack_removed: True if the stack was removed.
        seconds: Duration.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    had_stack: bool
    unlocked: list[str] = []
    taken_over: list[str] = []
    hook: HookRun | None = None
    deleted: list[str] = []
    leftovers_deleted: list[str] = []
    looked_in: list[str] = []
    left: list[str] = []
    kept: list[str] = []
    stack_removed: bool = False
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """True if nothing of the preview is left."""
        return not self.left

    def text(self) -> str:
        """Return the report for people."""
        lines = [f"[bold]{self.stack}[/]: " + self._summary()]
        lines += [f"  lock broken: {holder}" for holder in self.unlocked]
        lines += [f"  adopted first: {urn}" for urn in self.taken_over]
        if self.hook is not None:
            lines.append(f"  {self.hook.hook}: {escape(self.hook.result)}")
            lines += [f"    {escape(line)}" for line in self.hook.log]
        lines += [f"  deleted: {line}" for line in [*self.deleted, *self.leftovers_deleted]]
        lines += [f"  kept: {line}" for line in self.kept]
        lines += [f"  [red]left: {line}[/]" for line in self.left]
        return "\n".join(lines)

    def _summary(self) -> str:
        if self.left:
            return f"{len(self.left)} left; its state is kept"
        count = len(self.deleted) + len(self.leftovers_deleted)
        searched = ", ".join(self.looked_in)
        return f"nothing is left in {searched} ({count} deleted in {self.seconds:.0f} s)"


def destroy(
    preview: Preview,
    *,
    stacks: Stacks,
    places: Callable[[], Sequence[ResourceFinder]],
    locks: Locks,
    recover: Callable[[str], tuple[Recovered, StackState]],
    connect: Callable[[], Cluster],
    leftovers: bool = False,
) -> DestroyReport:
    """Remove a preview and look for anything of it that is left.

    It can be run again at any time, and killed in between: the stack is removed last.

    Args:
        preview: The preview.
        stacks: The project's stacks.
        places: Returns the places to search; called when the stack's resources are deleted, since
            it reads staging's outputs.
        locks: Locks of the stacks.
        recover: Completes a stack's state after a run that was killed.
        connect: Connects to the cluster.
        leftovers: True if resources that are in no state are deleted, too.

    Raises:
        PreviewsError: Pulumi or a place fails; the state is kept.
    """
    began = time.monotonic()
    stack = preview.stack.value
    if not stacks.exists(stack):
        report = DestroyReport(stack=preview.name, had_stack=False)
        found = _remove_rest(preview, report, stacks, places, leftovers=leftovers)
        return found.model_copy(update={"seconds": time.monotonic() - began})
    broken = locks.break_stale(stack)
    locks.record_owner(stack)
    recovered, state = recover(stack)
    deleted = list(dict.fromkeys([*read_deletions(stacks, stack), *lines_of(state.resources)]))
    report = DestroyReport(
        stack=preview.name,
        had_stack=True,
        unlocked=[str(each) for each in broken],
        taken_over=sorted(recovered.adopted),
        deleted=deleted,
    )
    with deletions_kept(stacks, stack, deleted):
        hook = before_destroy(connect, preview.stack.namespace) if _has_hook(state) else None
        _destroy_stack(preview, stacks, connect)
        report = report.model_copy(update={"hook": hook})
        found = _remove_rest(preview, report, stacks, places, leftovers=leftovers)
    if not found.complete:
        keep_deletions(stacks, stack, deleted)
    return found.model_copy(update={"seconds": time.monotonic() - began})


def _remove_rest(
    preview: Preview,
    report: DestroyReport,
    stacks: Stacks,
    places: Callable[[], Sequence[ResourceFinder]],
    *,
    leftovers: bool,
) -> DestroyReport:
    """Look for what is left, and remove the stack if nothing is."""
    name = preview.name
    searched = places()
    removed: list[Item] = []
    if leftovers:
        progress(f"{name}: deleting resources that are in no state")
        removed = _delete(inventory.of_stack(inventory.look(searched), name), searched)
    progress(f"{name}: looking for anything that is left")
    found = until_gone(name, searched)
    left = [item for item in found if item.counts]
    if not left:
        # GitHub's deployments are deleted together with the preview, and only then.
        removed += _delete([item for item in found if not item.keep], searched)
        found = [item for item in found if item not in removed]
        if report.had_stack:
            stacks.remove(preview.stack.value)
    return report.model_copy(
        update={
            "leftovers_deleted": [str(item) for item in removed],
            "looked_in": [place.name for place in searched],
            "left": [str(item) for item in left],
            "kept": [f"{item}: {item.keep}" for item in found if not item.counts],
            "stack_removed": report.had_stack and not left,
        }
    )


def until_gone(stack: str, places: Sequence[ResourceFinder]) -> list[Item]:
    """Look for what is left of a stack, again and again while another service still deletes it.

    Returns:
        Everything that the last look found.
    """

    def find() -> list[Item]:
        return inventory.of_stack(inventory.look(places), stack)

    again = Retrying(
        retry=retry_if_result(lambda found: any(item.counts and item.keep for item in found)),
        stop=stop_after_delay(_LATE_SECONDS),
        wait=wait_fixed(_LOOK_AGAIN_SECONDS),
    )
    try:
        return again(find)
    except RetryError as error:
        return list(error.last_attempt.result())


def _destroy_stack(preview: Preview, stacks: Stacks, connect: Callable[[], Cluster]) -> None:
    try:
        stacks.destroy(preview.stack.value)
    except StoppedError:
        raise
    except PreviewsError as error:
        raise explain(error, preview.name, connect=connect) from error


def _delete(items: Sequence[Item], places: Sequence[ResourceFinder]) -> list[Item]:
    """Delete the items that this program may delete, in the order of the places."""
    order = [place.name for place in places]
    deletable = [item for item in items if not item.keep]
    deletable.sort(key=lambda item: order.index(item.place))
    for item in deletable:
        progress(f"{item.stack}: {item}")
        inventory.remove(places, item)
    return deletable


def _has_hook(state: StackState) -> bool:
    """Return True if the state has the hook ``before-destroy``; else it needs no cluster."""
    kinds = {resource.type for resource in state.resources if not resource.delete}
    return "kubernetes:batch/v1:CronJob" in kinds
