"""Runs of workflows: who made a lock, and whether it still runs."""

from __future__ import annotations

from previews.github.connection import Connection, Model, read


class Run(Model):
    """A run of a workflow.

    Attributes:
        id: Its id, ``GITHUB_RUN_ID`` in the run itself.
        run_attempt: Which attempt this is.
        status: ``completed`` when it is over, else ``queued``, ``in_progress``, ``waiting`` ...
        conclusion: How it ended; None while it runs.
        html_url: Where a person reads it.
    """

    id: int
    run_attempt: int = 1
    status: str | None
    conclusion: str | None = None
    html_url: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.status == "completed"


class Runs:
    """Runs of the workflows of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.actions

    def read(self, run: int) -> Run:
        """One run, read afresh.

        Raises:
            NotFoundError: There is none, or the token may not see it.
        """
        what = f"run {run} of a workflow"
        return read(Run, what, self._connection.ask(what, self._api.get_workflow_run, run_id=run))
