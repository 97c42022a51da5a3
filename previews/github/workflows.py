"""Workflows: starting one."""

from __future__ import annotations

from collections.abc import Mapping

from previews.github.connection import Connection


class Workflows:
    """The workflows of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.actions

    def start(self, file: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start a workflow by hand, as it is on a branch.

        Args:
            file: Its file's name, ``preview.yml``.
            ref: The branch.
            inputs: Its inputs.
        """
        self._connection.tell(
            f"workflow {file}",
            self._api.create_workflow_dispatch,
            workflow_id=file,
            data={"ref": ref, "inputs": dict(inputs)},
        )
