"""Runs of workflows, for the owners of locks."""

from __future__ import annotations

from previews.github.connection import Connection, Model, read


class Run(Model):
    """A run of a workflow.

    Attributes:
        id: Its id, ``GITHUB_RUN_ID`` in the run itself.
        run_attempt: Number of its attempt.
        status: ``completed`` at its end, else ``queued``, ``in_progress``, ``waiting`` ...
        conclusion: Its conclusion; None until it is over.
        html_url: Its page.
    """

    id: int
    run_attempt: int = 1
    status: str | None
    conclusion: str | None = None
    html_url: str = ""

    @property
    def is_over(self) -> bool:
        """True if it is completed."""
        return self.status == "completed"


class Runs:
    """Runs of the workflows of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.actions

    def read(self, run: int) -> Run:
        """Return a run; it is never cached.

        Raises:
            NotFoundError: It does not exist, or the token may not read it.
        """
        what = f"run {run} of a workflow"
        return read(
            Run, what, self._connection.request(what, self._api.get_workflow_run, run_id=run)
        )
