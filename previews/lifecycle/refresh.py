"""Newer data for new previews: another server beside the one that serves, then the swap.

The swap is the publication, which is the last thing that a stack ``data-<n>`` declares. So
there is no moment without a template, and a refresh that fails has changed nothing. One that is
killed leaves a server that nobody gets databases from; the next refresh removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from contract.kubernetes import GENERATIONS, qualified
from contract.stack_name import StackKind, StackName
from previews.errors import PreviewsError
from previews.lifecycle.branch_reset import CLAIMS
from previews.output import progress
from previews.pulumi.locks import Locks
from previews.pulumi.recovery import recover

if TYPE_CHECKING:
    from previews.clients import Clients

PUBLICATIONS = qualified(GENERATIONS)


class Refreshed(BaseModel):
    """What a refresh came to.

    Attributes:
        serving: The stack whose server new previews get their databases from.
        snapshot: What it was restored from.
        snapshot_created: When that was taken.
        retired: Stacks of servers that are gone now.
        kept: Stacks of servers that go with their last preview, and which those are.
    """

    serving: str
    snapshot: str
    snapshot_created: str
    retired: list[str]
    kept: dict[str, list[str]]

    def text(self) -> str:
        """What a person reads."""
        data = f"{self.snapshot} ({self.snapshot_created})"
        lines = [f"new previews get clones from {self.serving}: {data}"]
        lines += [f"{stack} had no preview left, and is gone" for stack in self.retired]
        lines += [
            f"{stack} stays for {', '.join(previews)}" for stack, previews in self.kept.items()
        ]
        return "\n".join(lines)


class Off(BaseModel):
    """There is nothing to refresh: nobody gets a database in mode branch.

    Attributes:
        skipped: Why.
    """

    skipped: str = "staging hands out no databases in mode branch (previews:branches.enabled)"

    def text(self) -> str:
        """What a person reads."""
        return f"nothing to refresh: {self.skipped}"


def refresh(clients: Clients) -> Refreshed:
    """Restore, scrub and prove another server, swap, and retire those that nobody needs.

    Raises:
        PreviewsError: The new one does not come up: then it is removed, and the one before
            serves on. Or somebody is at one of them: then nothing was begun.
    """
    before, locks = _servers(clients), Locks(clients)
    for server in before:
        locks.free(server.value)
    newest = StackName.parse(f"data-{max((s.generation or 0 for s in before), default=0) + 1}")
    progress(f"{newest}: restored, scrubbed and proven beside what serves")
    clients.stacks.create(newest.value)
    locks.take_note(newest.value)
    try:
        clients.stacks.up(newest.value)
    except PreviewsError as error:
        if error.code == "stack-locked":
            raise  # Another refresh makes it, and is not to lose it.
        raise _gave_up(clients, newest, before, error) from error
    outputs = clients.stacks.outputs(newest.value)
    retired, kept = _retire(clients, before)
    return Refreshed(
        serving=newest.value,
        snapshot=outputs["snapshot"],
        snapshot_created=outputs["snapshotCreated"],
        retired=retired,
        kept=kept,
    )


def _servers(clients: Clients) -> list[StackName]:
    """The stacks of servers, oldest first."""
    found = []
    for summary in clients.stacks.all():
        # Another stack of the same project may be none of this program's.
        name = StackName.find(summary.name)
        if name is not None and name.kind is StackKind.DATA:
            found.append(name)
    return sorted(found, key=lambda name: name.generation or 0)


def _gave_up(
    clients: Clients, newest: StackName, before: list[StackName], error: PreviewsError
) -> PreviewsError:
    """Remove what does not serve; returns the failure, which says what serves on."""
    published = _published(clients)
    serving = [name.value for name in before if name.value in published]
    left = ""
    try:
        _remove(clients, newest)
    except PreviewsError as other:
        left = f" {newest} could not be removed either: {other.why}."
    goes_on = f"{serving[-1]} goes on serving" if serving else "no server has a template yet"
    return PreviewsError(
        "refresh-failed",
        f"refresh to {newest}",
        why=f"{error.why}\n  {goes_on}; living previews are untouched.{left}",
        remedy="mend what it names (a column that nobody classified: database/scrub.yaml), then"
        " run `previews refresh` again.",
    )


def _retire(clients: Clients, before: list[StackName]) -> tuple[list[str], dict[str, list[str]]]:
    """Remove the servers before the newest that no preview has a database on.

    That a preview got one in the meantime is no harm: the platform's controller keeps a
    publication, and with it the server, while there is a database on it.
    """
    users = _users(clients)
    retired: list[str] = []
    kept: dict[str, list[str]] = {}
    for server in before:
        if previews := users.get(server.value):
            kept[server.value] = sorted(previews)
            continue
        progress(f"{server}: no preview has a database on it any more, so it goes")
        _remove(clients, server)
        retired.append(server.value)
    return retired, kept


def _users(clients: Clients) -> dict[str, list[str]]:
    """Namespaces by the server that they have a database on.

    Raises:
        PreviewsError: The cluster gives no answer: then nothing is removed.
    """
    found: dict[str, list[str]] = {}
    for claim in clients.cluster.each(CLAIMS):
        server = dict(claim.raw).get("status", {}).get("generation", "")
        found.setdefault(server, []).append(str(claim.namespace))
    return found


def _published(clients: Clients) -> set[str]:
    return {publication.name for publication in clients.cluster.each(PUBLICATIONS)}


def _remove(clients: Clients, server: StackName) -> None:
    Locks(clients).take_note(server.value)
    # What a killed run had made and not written down would be nobody's.
    recover(clients, server.value)
    clients.stacks.destroy(server.value)
    clients.stacks.remove(server.value)
