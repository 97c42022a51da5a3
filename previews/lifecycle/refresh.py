"""Newer data for new previews: a second database server beside the current one, then a switch.

The switch is the publication, which is the last resource that a stack ``data-<n>`` declares. So
there is always a template, and a refresh that fails has changed nothing. One that is killed
leaves a server that is not published; the next refresh removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from contract.kubernetes import GENERATIONS, qualified
from contract.preview import Preview
from contract.stack_name import PLATFORM_APP, AppName, StackKind, StackName
from previews.errors import PreviewsError
from previews.lifecycle.branch_reset import BRANCH_RESOURCES
from previews.output import progress

if TYPE_CHECKING:
    from previews.kubernetes import Cluster, KubernetesObject
    from previews.pulumi.locks import Locks
    from previews.pulumi.stacks import Stacks

PUBLICATIONS = qualified(GENERATIONS)


class RefreshReport(BaseModel):
    """Result of a refresh.

    Attributes:
        serving: Stack of the server that new previews get their databases from.
        snapshot: The snapshot that it was restored from.
        snapshot_created: Time of that snapshot.
        retired: Stacks of servers that were removed.
        kept: Stacks of servers that still have databases, and the previews that use them.
    """

    serving: str
    snapshot: str
    snapshot_created: str
    retired: list[str]
    kept: dict[str, list[str]]

    def text(self) -> str:
        """Return the report for people."""
        data = f"{self.snapshot} ({self.snapshot_created})"
        lines = [f"new previews get clones from {self.serving}: {data}"]
        lines += [f"{stack} had no preview left and was removed" for stack in self.retired]
        lines += [
            f"{stack} is kept for {', '.join(previews)}" for stack, previews in self.kept.items()
        ]
        return "\n".join(lines)


class RefreshSkipped(BaseModel):
    """Result where the platform has no mode branch.

    Attributes:
        skipped: The reason.
    """

    skipped: str = "the platform has no databases in mode branch (previews:branches.enabled)"

    def text(self) -> str:
        """Return the report for people."""
        return f"nothing to refresh: {self.skipped}"


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """One refresh.

    Attributes:
        stacks: The project's stacks.
        locks: Locks of the stacks.
        recover: Completes a stack's state after a run that was killed.
        cluster: The cluster.
        app: App whose servers are refreshed.
    """

    stacks: Stacks
    locks: Locks
    recover: Callable[[str], object]
    cluster: Cluster
    app: AppName = PLATFORM_APP

    def run(self) -> RefreshReport:
        """Restore, scrub and prove another server, switch, and remove servers without previews.

        Raises:
            PreviewsError: The new server fails: then it is removed, and the one before stays in
                use. Or another run works on one of them: then nothing was begun.
        """
        before = self._servers()
        for server in before:
            self.locks.break_stale(server.value)
        number = max((server.generation or 0 for server in before), default=0) + 1
        newest = StackName.parse(f"data-{number}", self.app)
        progress(f"{newest}: restoring, scrubbing and proving it beside the current server")
        self.stacks.create(newest.value)
        self.locks.record_owner(newest.value)
        try:
            self.stacks.up(newest.value)
        except PreviewsError as error:
            if error.code == "stack-locked":
                raise  # Another refresh works on it, and must not lose it.
            raise self._failure(newest, before, error) from error
        outputs = self.stacks.outputs(newest.value)
        retired, kept = self._retire(before)
        return RefreshReport(
            serving=newest.value,
            snapshot=outputs["snapshot"],
            snapshot_created=outputs["snapshotCreated"],
            retired=retired,
            kept=kept,
        )

    def _servers(self) -> list[StackName]:
        """Return the stacks of servers, oldest first."""
        # Another stack of the same project may have a name that this program doesn't know.
        names = [StackName.find(summary.name, self.app) for summary in self.stacks.all()]
        found = [name for name in names if name is not None and name.kind is StackKind.DATA]
        return sorted(found, key=lambda name: name.generation or 0)

    def _failure(
        self, newest: StackName, before: list[StackName], error: PreviewsError
    ) -> PreviewsError:
        """Remove the server that failed; returns the error, which names the one in use."""
        published = {publication.name for publication in self._publications()}
        serving = [name.value for name in before if name.value in published]
        left = ""
        try:
            self._remove(newest)
        except PreviewsError as other:
            left = f" {newest} could not be removed either: {other.why}."
        current = f"{serving[-1]} stays in use" if serving else "no server has a template yet"
        return PreviewsError(
            "refresh-failed",
            f"refresh to {newest}",
            why=f"{error.why}\n  {current}; existing previews are unchanged.{left}",
            remedy="fix the cause. If it is a column that is not classified, correct scrub.yaml on"
            " the default branch and bring staging up, which publishes it. Then run `previews"
            " refresh` again.",
        )

    def _retire(self, before: list[StackName]) -> tuple[list[str], dict[str, list[str]]]:
        """Remove the earlier servers that have no preview's database.

        A preview that gets one meanwhile is safe: the platform's controller keeps a publication,
        and with it the server, while there is a database on it.
        """
        users = self._users()
        retired: list[str] = []
        kept: dict[str, list[str]] = {}
        for server in before:
            if previews := users.get(server.value):
                kept[server.value] = sorted(previews)
                continue
            progress(f"{server}: removing it, since no preview has a database on it")
            self._remove(server)
            retired.append(server.value)
        return retired, kept

    def _publications(self) -> Iterator[KubernetesObject]:
        """Yield the published servers of this app."""
        return self.cluster.each(PUBLICATIONS, namespace=self.app.branches_namespace)

    def _users(self) -> dict[str, list[str]]:
        """Return the namespaces of databases by their server.

        Raises:
            PreviewsError: The cluster doesn't answer: then nothing is removed.
        """
        found: dict[str, list[str]] = {}
        for branch in self.cluster.each(BRANCH_RESOURCES):
            preview = Preview.of_resource(str(branch.namespace))
            if preview is None or preview.app != self.app:
                continue  # Another app's servers have the same names in its own project.
            server = dict(branch.raw).get("status", {}).get("generation", "")
            found.setdefault(server, []).append(str(branch.namespace))
        return found

    def _remove(self, server: StackName) -> None:
        self.locks.record_owner(server.value)
        # Resources that a killed run had created and not recorded would stay for ever.
        self.recover(server.value)
        self.stacks.destroy(server.value)
        self.stacks.remove(server.value)
