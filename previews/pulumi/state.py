"""What Pulumi's JSON says about stacks: their list, and one's state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from previews.errors import PreviewsError

_STACK_TYPE = "pulumi:pulumi:Stack"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class StackSummary(_Model):
    """A stack in the list.

    Attributes:
        name: Its name, without organization and project.
        last_update: When its state last changed; None if it never did.
        update_in_progress: Whether Pulumi Cloud says that an update runs.
        resource_count: How many resources it holds; None if it was never updated.
        url: Where Pulumi Cloud shows it; empty elsewhere.
    """

    name: str
    last_update: datetime | None = Field(default=None, alias="lastUpdate")
    update_in_progress: bool = Field(default=False, alias="updateInProgress")
    resource_count: int | None = Field(default=None, alias="resourceCount")
    url: str = ""


class Resource(_Model):
    """A resource in a stack's state.

    Attributes:
        urn: Pulumi's name of it.
        type: Its type token.
        id: The provider's id of it; empty for a component.
        custom: Whether a provider made it.
        inputs: What the program declared.
        outputs: What the provider returned.
        delete: Whether it is only there to be deleted.
        external: Whether it was only read.
    """

    urn: str
    type: str
    id: str = ""
    custom: bool = False
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    delete: bool = False
    external: bool = False


class Operation(_Model):
    """An operation that began and did not report back.

    Attributes:
        type: ``creating``, ``updating``, ``deleting``, ``reading`` or ``importing``.
        resource: What it was about.
    """

    type: str
    resource: Resource


class StackState(_Model):
    """A stack's state.

    Attributes:
        stack: The stack's name.
        document: The whole, as Pulumi exports it.
        resources: What it holds, in the order in which it was made.
        pending: What was begun and did not report back.
    """

    stack: str
    document: dict[str, Any]
    resources: list[Resource] = []
    pending: list[Operation] = []

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; secret ones are encrypted."""
        for resource in self.resources:
            if resource.type == _STACK_TYPE:
                return resource.outputs
        return {}


def read_summaries(answer: object, *, organization: str) -> list[StackSummary]:
    """The list of stacks, by name.

    Args:
        answer: What ``pulumi stack ls --json`` printed.
        organization: Where it is given, only this organization's stacks are meant.

    Raises:
        PreviewsError: It is not of the known form.
    """
    try:
        listed = TypeAdapter(list[StackSummary]).validate_python(answer)
    except ValidationError as error:
        raise _unknown_form("list of stacks", error) from error
    kept = []
    for summary in listed:
        # Pulumi Cloud gives `organization/project/stack` where they are not the usual ones.
        *before, name = summary.name.split("/")
        if organization and before and before[0] != organization:
            continue
        kept.append(summary.model_copy(update={"name": name}))
    return sorted(kept, key=lambda summary: summary.name)


def read_state(stack: str, answer: object) -> StackState:
    """A stack's state.

    Args:
        stack: The stack's name.
        answer: What ``pulumi stack export`` printed.

    Raises:
        PreviewsError: It is not of the known form.
    """
    document: dict[str, Any] = answer if isinstance(answer, dict) else {}
    deployment = document.get("deployment") or {}
    try:
        return StackState.model_validate(
            {
                "stack": stack,
                "document": document,
                "resources": deployment.get("resources") or [],
                "pending": deployment.get("pending_operations") or [],
            }
        )
    except ValidationError as error:
        raise _unknown_form(f"state of stack {stack}", error) from error


def _unknown_form(what: str, error: ValidationError) -> PreviewsError:
    wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return PreviewsError(
        "pulumi-form",
        what,
        why=f"it is not of the known form ({wrong})",
        remedy="check the version of Pulumi; nothing is decided on an answer like this.",
    )
