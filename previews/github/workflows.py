"""Workflows, to start one."""

from __future__ import annotations

from collections.abc import Mapping

from previews.github.connection import Connection


class Workflows:
    """The workflows of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.actions

    def start(self, file: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start a workflow by ``workflow_dispatch``.

        Args:
            file: Name of its file, ``preview.yml``.
            ref: The branch whose version of it runs.
            inputs: Its inputs.
        """
        self._connection.send(
            f"workflow {file}",
            self._api.create_workflow_dispatch,
            workflow_id=file,
            data={"ref": ref, "inputs": dict(inputs)},
        )
