"""The owner of a stack's lock, and breaking a lock whose owner is gone.

A lock of a self-managed backend never expires, and holds only pid, user and host. So each run of
a workflow records itself as one of the stack's tags before it works on the stack: its ID and its
host. A lock belongs to that run if it was created on that host after the record, and GitHub
reports whether the run is over. A lock that matches no record is a person's, and is never broken
here (docs/decisions/0019-a-run-records-itself-on-the-stack.md).

Without GitHub the owner is a process: its lock is broken when it has ended, which can be checked
for this machine's processes alone.
"""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from previews.errors import NotFoundError, PreviewsError
from previews.pulumi.lock_files import Lock, lock_files
from previews.pulumi.processes import runs

if TYPE_CHECKING:
    from previews.github import GitHub
    from previews.pulumi.stacks import Stacks
    from previews.settings import Settings

TAG = "previews:run"
_OWNER = re.compile(r"(?P<run>\d+)/(?P<attempt>\d+)@(?P<host>[^ ]+) (?P<at>[0-9T:.+-]+)", re.ASCII)
# Tolerated difference between the clocks of a runner and of the backend.
_CLOCK_SKEW = timedelta(minutes=1)


class LockOwner(BaseModel):
    """The workflow run that works on a stack, as it is recorded there.

    Attributes:
        run: The run's ID.
        attempt: The number of its attempt.
        host: The runner's host name.
        at: Time of the record.
    """

    model_config = ConfigDict(frozen=True)

    run: int
    attempt: int
    host: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.run}/{self.attempt}@{self.host} {self.at.isoformat()}"

    @classmethod
    def parse(cls, text: str) -> LockOwner | None:
        """Return the owner that a tag records; None for any other text."""
        match = _OWNER.fullmatch(text)
        return None if match is None else cls.model_validate(match.groupdict())

    def owns(self, lock: Lock) -> bool:
        """Return whether this run created the lock."""
        if lock.run is not None:
            return lock.run == self.run
        return lock.host == self.host and lock.since >= self.at - _CLOCK_SKEW


class BrokenLock(BaseModel):
    """A lock that was broken.

    Attributes:
        lock: The lock.
        run: The run that owned it; None for a process of this machine.
        conclusion: The conclusion of that run.
    """

    model_config = ConfigDict(frozen=True)

    lock: Lock
    run: int | None
    conclusion: str

    def __str__(self) -> str:
        if self.run is None:
            return f"process {self.lock.pid} has ended"
        return f"run {self.run} is over ({self.conclusion})"


class Locks:
    """The locks of the project's stacks."""

    def __init__(self, *, stacks: Stacks, settings: Settings, github: GitHub) -> None:
        self._stacks = stacks
        self._settings = settings
        self._github = github

    def of(self, stack: str) -> list[Lock]:
        """Return the locks on a stack."""
        files = lock_files(self._stacks.backend_url(), self._settings.app_name.project)
        if files is not None:
            return files.of(stack)
        return self._cloud_locks(stack)

    def record_owner(self, stack: str) -> None:
        """Record this run as the owner of the stack's coming lock; nothing outside a workflow.

        An existing lock is handled first, as its owner's record would be overwritten.

        Raises:
            PreviewsError: The owner of a lock is alive or unknown.
        """
        self.break_stale(stack)
        settings = self._settings
        if settings.github_run_id is not None and not settings.local:
            owner = LockOwner(
                run=settings.github_run_id,
                attempt=settings.github_run_attempt,
                host=socket.gethostname(),
                at=datetime.now(UTC),
            )
            self._stacks.tag(stack, TAG, str(owner))

    def break_stale(self, stack: str) -> list[BrokenLock]:
        """Break the stack's locks whose owners are gone; return them.

        Raises:
            PreviewsError: The owner of one is alive or unknown; then none was broken.
        """
        locks = self.of(stack)
        if not locks:
            return []
        if self._settings.local:
            stale = [_require_ended_process(stack, lock) for lock in locks]
        else:
            owner = LockOwner.parse(self._stacks.tags(stack).get(TAG, ""))
            stale = [self._require_ended_run(stack, lock, owner) for lock in locks]
        files = lock_files(self._stacks.backend_url(), self._settings.app_name.project)
        for each in stale:
            if files is None:
                self._stacks.cancel(stack)
            else:
                files.remove(each.lock)
        return stale

    def _require_ended_run(self, stack: str, lock: Lock, owner: LockOwner | None) -> BrokenLock:
        if owner is None or not owner.owns(lock):
            raise PreviewsError(
                "lock-not-ours",
                f"lock of stack {stack}",
                why=f"it belongs to no workflow run: {lock}",
                remedy="ask its owner; when no update of theirs is running any more:"
                f" pulumi cancel {stack}.",
            )
        try:
            run = self._github.runs.read(owner.run)
        except NotFoundError as error:
            raise PreviewsError(
                "lock-run-unknown",
                f"lock of stack {stack}",
                why=f"it belongs to run {owner.run}, which GitHub does not find: {lock}",
                remedy="check `permissions: actions: read` and GITHUB_REPOSITORY; a run that is"
                f" not found may still be running. By hand: pulumi cancel {stack}.",
            ) from error
        if run.is_over or run.run_attempt > owner.attempt:
            return BrokenLock(lock=lock, run=run.id, conclusion=run.conclusion or "superseded")
        raise PreviewsError(
            "lock-run-alive",
            f"lock of stack {stack}",
            why=f"it belongs to run {run.id}, which is {run.status}: {run.html_url or lock}",
            remedy="wait for it; a running update is never interrupted.",
        )

    def _cloud_locks(self, stack: str) -> list[Lock]:
        """Return Pulumi Cloud's lock: the running update, whose environment names the CI run."""
        for update in self._stacks.history(stack):
            if update.get("result") == "in-progress":
                environment = update.get("environment") or {}
                run = str(environment.get("ci.build.id", ""))
                return [
                    Lock(
                        location=f"update {update.get('version')}",
                        host="",
                        holder=environment.get("ci.system", "") or "somebody",
                        since=datetime.fromisoformat(update["startTime"]),
                        run=int(run) if run.isdecimal() else None,
                    )
                ]
        return []


def _require_ended_process(stack: str, lock: Lock) -> BrokenLock:
    if lock.pid is None:
        raise PreviewsError(
            "lock-elsewhere",
            f"lock of stack {stack}",
            why=f"it belongs to no process of this machine: {lock}",
            remedy="ask its owner; when no update of theirs is running any more:"
            f" pulumi cancel {stack}.",
        )
    if runs(lock.pid):
        raise PreviewsError(
            "lock-process-alive",
            f"lock of stack {stack}",
            why=f"it belongs to a running process: {lock}",
            remedy="wait for it; a running update is never interrupted.",
        )
    return BrokenLock(lock=lock, run=None, conclusion="ended")
