"""Who holds a stack, and breaking a lock whose holder is known to be gone.

A lock of a backend of one's own never expires, and says no more than pid, user and host. So each
run of a workflow leaves a note on the stack, as one of its tags, before it works on it: which
run it is, and on which host. A lock belongs to that run when it was made on that host, after the
note. GitHub then says whether the run is over. A lock that fits no note is a person's, and is
never broken here (docs/decisions/0019-a-run-records-itself-on-the-stack.md).

Without GitHub the holder is a process: its lock is broken when it has ended, which can be known
of this machine's processes alone.
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
    from previews.clients import Clients

TAG = "previews:run"
_NOTE = re.compile(r"(?P<run>\d+)/(?P<attempt>\d+)@(?P<host>[^ ]+) (?P<at>[0-9T:.+-]+)", re.ASCII)
# The clocks of a runner and of whatever stamps the lock may differ by so much.
_CLOCKS = timedelta(minutes=1)


class Note(BaseModel):
    """What a run of a workflow left on a stack.

    Attributes:
        run: The run's id.
        attempt: Which attempt of it.
        host: The runner's host name.
        at: When.
    """

    model_config = ConfigDict(frozen=True)

    run: int
    attempt: int
    host: str
    at: datetime

    def __str__(self) -> str:
        """As it is kept in the tag."""
        return f"{self.run}/{self.attempt}@{self.host} {self.at.isoformat()}"

    @classmethod
    def read(cls, text: str) -> Note | None:
        """The note in a tag; None where there is none."""
        match = _NOTE.fullmatch(text)
        return None if match is None else cls.model_validate(match.groupdict())

    def made(self, lock: Lock) -> bool:
        """Whether the run that left this note made the lock."""
        if lock.run is not None:
            return lock.run == self.run
        return lock.host == self.host and lock.since >= self.at - _CLOCKS


class Broken(BaseModel):
    """A lock that was broken.

    Attributes:
        lock: What it said.
        run: The run that had made it; None where it was a process of this machine.
        conclusion: How that ended.
    """

    model_config = ConfigDict(frozen=True)

    lock: Lock
    run: int | None
    conclusion: str

    def __str__(self) -> str:
        """Which holder is gone, and how it ended."""
        if self.run is None:
            return f"process {self.lock.pid} has ended"
        return f"run {self.run} is over ({self.conclusion})"


class Locks:
    """The locks of the project's stacks."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._stacks = clients.stacks

    def of(self, stack: str) -> list[Lock]:
        """The locks on a stack; none where it is free."""
        files = lock_files(self._stacks.backend_url())
        if files is not None:
            return files.of(stack)
        return self._running(stack)

    def take_note(self, stack: str) -> None:
        """Leave a note that this run works on the stack; outside a workflow there is none to leave.

        A lock that is there is looked at first: its maker's note must not be lost.

        Raises:
            PreviewsError: Someone else holds the stack, or may.
        """
        self.free(stack)
        settings = self._clients.settings
        if settings.github_run_id is not None and not settings.local:
            note = Note(
                run=settings.github_run_id,
                attempt=settings.github_run_attempt,
                host=socket.gethostname(),
                at=datetime.now(UTC),
            )
            self._stacks.tag(stack, TAG, str(note))

    def free(self, stack: str) -> list[Broken]:
        """Break the stack's locks where their holders are known to be gone.

        Returns:
            What was broken; empty where the stack was free.

        Raises:
            PreviewsError: A holder lives, or nobody knows; then nothing was broken.
        """
        locks = self.of(stack)
        if not locks:
            return []
        if self._clients.settings.local:
            broken = [_judge_process(stack, lock) for lock in locks]
        else:
            note = Note.read(self._stacks.tags(stack).get(TAG, ""))
            broken = [self._judge(stack, lock, note) for lock in locks]
        files = lock_files(self._stacks.backend_url())
        for each in broken:
            if files is None:
                self._stacks.cancel(stack)
            else:
                files.remove(each.lock)
        return broken

    def _judge(self, stack: str, lock: Lock, note: Note | None) -> Broken:
        """The lock with the run that made it, if that run is over."""
        if note is None or not note.made(lock):
            raise PreviewsError(
                "lock-not-ours",
                f"lock of stack {stack}",
                why=f"no run of a workflow made it: {lock}",
                remedy=f"ask them; when nothing of theirs runs any more: pulumi cancel {stack}.",
            )
        try:
            run = self._clients.github.runs.read(note.run)
        except NotFoundError as error:
            raise PreviewsError(
                "lock-run-unknown",
                f"lock of stack {stack}",
                why=f"run {note.run} made it, and GitHub knows no such run: {lock}",
                remedy="check `permissions: actions: read` and GITHUB_REPOSITORY; a run that"
                f" nobody knows is not known to be over. By hand: pulumi cancel {stack}.",
            ) from error
        if run.is_over or run.run_attempt > note.attempt:
            return Broken(lock=lock, run=run.id, conclusion=run.conclusion or "superseded")
        raise PreviewsError(
            "lock-run-alive",
            f"lock of stack {stack}",
            why=f"run {run.id} made it, and is {run.status}: {run.html_url or lock}",
            remedy="wait for it; an update is never cut off.",
        )

    def _running(self, stack: str) -> list[Lock]:
        """Pulumi Cloud's lock is the update that runs; its environment names the run of CI."""
        for update in self._stacks.history(stack):
            if update.get("result") == "in-progress":
                environment = update.get("environment") or {}
                run = str(environment.get("ci.build.id", ""))
                return [
                    Lock(
                        where=f"update {update.get('version')}",
                        host="",
                        holder=environment.get("ci.system", "") or "somebody",
                        since=datetime.fromisoformat(update["startTime"]),
                        run=int(run) if run.isdecimal() else None,
                    )
                ]
        return []


def _judge_process(stack: str, lock: Lock) -> Broken:
    """The lock if a process of this machine made it that has ended."""
    if lock.pid is None:
        raise PreviewsError(
            "lock-elsewhere",
            f"lock of stack {stack}",
            why=f"no process of this machine made it: {lock}",
            remedy=f"ask them; when nothing of theirs runs any more: pulumi cancel {stack}.",
        )
    if runs(lock.pid):
        raise PreviewsError(
            "lock-process-alive",
            f"lock of stack {stack}",
            why=f"a process that runs made it: {lock}",
            remedy="wait for it; an update is never cut off.",
        )
    return Broken(lock=lock, run=None, conclusion="ended")
