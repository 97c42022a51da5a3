"""Pulumi's JSON about stacks: their list, and the state of one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contract.stack_name import AppName, AppNameError, StackName, StackNameError
from previews.errors import PreviewsError

_STACK_TYPE = "pulumi:pulumi:Stack"
_SIGN_IN = "aws:cognito/userPoolClient:UserPoolClient"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class StackSummary(_Model):
    """A stack in the list.

    Attributes:
        name: Its name, without organization and project.
        last_update: Time of its last update; None before the first.
        update_in_progress: True while an update runs, by Pulumi Cloud alone.
        resource_count: Number of its resources; None before the first update.
        url: Its page on Pulumi Cloud; empty elsewhere.
    """

    name: str
    last_update: datetime | None = Field(default=None, alias="lastUpdate")
    update_in_progress: bool = Field(default=False, alias="updateInProgress")
    resource_count: int | None = Field(default=None, alias="resourceCount")
    url: str = ""


class Resource(_Model):
    """A resource in a stack's state.

    Attributes:
        urn: Its URN.
        type: Its type token.
        id: The provider's id of it; empty for a component.
        custom: True if a provider created it; False for a component.
        inputs: The inputs that the program declared.
        outputs: The outputs that the provider returned.
        delete: True if a replacement exists and it is only to be deleted.
        external: True if it was only read.
    """

    urn: str
    type: str
    id: str = ""
    custom: bool = False
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    delete: bool = False
    external: bool = False


def requires_sign_in(resources: Iterable[Resource]) -> bool:
    """Return True if a stack's resources have a client for people who sign in."""
    return any(one.type == _SIGN_IN and not one.delete for one in resources)


class Operation(_Model):
    """An operation that began and whose end was not recorded.

    Attributes:
        type: ``creating``, ``updating``, ``deleting``, ``reading`` or ``importing``.
        resource: Its resource.
    """

    type: str
    resource: Resource


class EncryptedKey(NamedTuple):
    """A key that secrets in a state are encrypted with, itself encrypted with the team's.

    Attributes:
        url: URL of the team's key.
        encrypted: The key, as only who may decrypt with the team's can read it.
    """

    url: str
    encrypted: str


class StackState(_Model):
    """A stack's state.

    Attributes:
        stack: The stack's name.
        document: The whole, as Pulumi exports it.
        resources: Its resources, in the order of their creation.
        pending: The operations whose end was not recorded.
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

    @property
    def key(self) -> EncryptedKey | None:
        """The key of its secrets; None where the backend or a passphrase encrypts them."""
        deployment = self.document.get("deployment") or {}
        provider = (deployment.get("secrets_providers") or {}).get("state") or {}
        if "encryptedkey" not in provider:
            return None
        return EncryptedKey(url=provider["url"], encrypted=provider["encryptedkey"])


def read_summaries(listed: object, *, organization: str) -> list[StackSummary]:
    """Return the list of stacks, sorted by name.

    Args:
        listed: The output of ``pulumi stack ls --json``.
        organization: Keep only this organization's stacks; empty for all.

    Raises:
        PreviewsError: The list has an unknown form.
    """
    kept = []
    for summary in _summaries(listed):
        # Pulumi Cloud returns `organization/project/stack` where they are not the defaults.
        *before, name = summary.name.split("/")
        if organization and before and before[0] != organization:
            continue
        kept.append(summary.model_copy(update={"name": name}))
    return sorted(kept, key=lambda summary: summary.name)


def read_app_stacks(listed: object, *, organization: str, project: str) -> list[StackName]:
    """Return the stacks of all apps; stacks of other projects are none of them.

    Args:
        listed: The output of ``pulumi stack ls --all --json``.
        organization: As in `read_summaries`.
        project: Project of the stacks that Pulumi lists without one.

    Raises:
        PreviewsError: The list has an unknown form.
    """
    found = []
    for summary in _summaries(listed):
        # As far as they are the defaults, Pulumi leaves organization and project out.
        *before, name = summary.name.split("/")
        if organization and len(before) > 1 and before[0] != organization:
            continue
        try:
            app = AppName.of_project(before[-1] if len(before) > 1 else project)
            found.append(StackName.parse(name, app))
        except (AppNameError, StackNameError):
            continue
    return found


def _summaries(listed: object) -> list[StackSummary]:
    try:
        return TypeAdapter(list[StackSummary]).validate_python(listed)
    except ValidationError as error:
        raise _unknown_form("list of stacks", error) from error


def read_state(stack: str, exported: object) -> StackState:
    """Return a stack's state.

    Args:
        stack: The stack's name.
        exported: The output of ``pulumi stack export``.

    Raises:
        PreviewsError: The state has an unknown form.
    """
    document: dict[str, Any] = exported if isinstance(exported, dict) else {}
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
        why=f"it has an unknown form ({wrong})",
        remedy="check the version of Pulumi; nothing is decided on an unreadable output.",
    )
