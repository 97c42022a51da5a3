"""Workflows that act on a preview: the platform's own files, or an app's, which calls them.

The platform's own app has a file for each action. Another app's repository has one file, whose
input `action` chooses (previews/adoption/workflow.py writes it); GitHub names that file in every
run, also in the jobs of the workflows that it calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from contract.preview import Preview
    from previews.github import GitHub
    from previews.settings import Settings

_REF = re.compile(r"[\w.-]+/[\w.-]+/\.github/workflows/(?P<file>[\w.-]+\.ya?ml)@.+")


class Action(StrEnum):
    """Action on a preview, as the input of an app's workflow names it."""

    UP = "up"
    RESET_DATABASE = "reset-database"
    DESTROY = "destroy"


_OWN: dict[Action, tuple[str, dict[str, str]]] = {
    Action.UP: ("preview.yml", {}),
    Action.RESET_DATABASE: ("preview.yml", {"reset-database": "true"}),
    Action.DESTROY: ("preview-destroy.yml", {}),
}
"""File and further inputs of the platform's own workflow for each action."""


@dataclass(frozen=True)
class DeployingWorkflow:
    """A workflow with its inputs.

    Attributes:
        file: Name of its file in the repository.
        inputs: Its inputs.
    """

    file: str
    inputs: dict[str, str]


def workflow_for(action: Action, preview: Preview, settings: Settings) -> DeployingWorkflow:
    """Return the workflow for an action on a preview.

    Raises:
        PreviewsError: The app is not the platform's own, and this is no run of a workflow.
    """
    number = {"pull-request": str(preview.number)}
    if preview.app.is_platform:
        file, inputs = _OWN[action]
        return DeployingWorkflow(file, number | inputs)
    found = _REF.fullmatch(settings.workflow_ref)
    if found is None:
        raise PreviewsError(
            "workflow-ref",
            "GITHUB_WORKFLOW_REF",
            why=f"it is {settings.workflow_ref!r}, which names no workflow of {preview.app}",
            remedy="run it in the workflow that `previews adopt` writes, or start that by hand:"
            f" gh workflow run preview.yml -f pull-request={preview.number} -f action={action}.",
        )
    return DeployingWorkflow(found["file"], {**number, "action": action.value})


def start(
    action: Action, preview: Preview, *, branch: str, github: GitHub, settings: Settings
) -> DeployingWorkflow:
    """Start the workflow for an action on a preview, from the branch that AWS trusts."""
    workflow = workflow_for(action, preview, settings)
    github.workflows.start(workflow.file, branch, workflow.inputs)
    return workflow
