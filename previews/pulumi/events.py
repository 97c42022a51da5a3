"""The log of events that Pulumi's engine writes while it works (``--event-log``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ResourceState(_Model):
    """A resource as it is, or as it is to be; secrets in it are hidden.

    Attributes:
        inputs: What the program declared.
        outputs: What the provider returned.
    """

    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None


class PropertyDiff(_Model):
    """A change of one property.

    Attributes:
        kind: ``add``, ``delete`` or ``update``, with ``-replace`` where it replaces the resource.
        of_inputs: True if inputs were compared, False if the outputs with the new inputs.
    """

    kind: str = Field(default="", alias="diffKind")
    of_inputs: bool = Field(default=False, alias="inputDiff")


class ResourceOperation(_Model):
    """An operation on a resource.

    Attributes:
        op: ``create``, ``update``, ``same``, ``replace``, ``create-replacement`` ...
        urn: The resource's URN.
        type: Its type token.
        old: The resource as it is; None for a new one.
        new: The resource as it is to be; None for one that is deleted.
        diffs: Names of the properties that change.
        detailed: Each change by the path of its property, where the provider knows it.
    """

    op: str
    urn: str
    type: str
    old: ResourceState | None = None
    new: ResourceState | None = None
    diffs: tuple[str, ...] | None = None
    detailed: dict[str, PropertyDiff] | None = Field(default=None, alias="detailedDiff")

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def is_change(self) -> bool:
        """True unless the operation only reads or keeps the resource."""
        return self.op not in {"same", "read", "refresh", "discard"}


class _OperationEvent(_Model):
    metadata: ResourceOperation


class Diagnostic(_Model):
    """A message of the engine or of a provider.

    Attributes:
        urn: The resource that it is about; empty for the whole operation.
        message: Its text.
        severity: ``debug``, ``info``, ``warning`` or ``error``.
    """

    urn: str = ""
    message: str = ""
    severity: str = "info"


class PolicyViolation(_Model):
    """A violation of a rule of the policy pack.

    Attributes:
        urn: The resource that violates it.
        rule: Name of the rule.
        message: Description of the violation.
        level: ``mandatory`` if it stops the operation.
    """

    urn: str = Field(default="", alias="resourceUrn")
    rule: str = Field(default="", alias="policyName")
    message: str = ""
    level: str = Field(default="", alias="enforcementLevel")


class Summary(_Model):
    """The last event of an operation.

    Attributes:
        duration_seconds: Its duration.
        resource_changes: Number of resources by operation.
    """

    duration_seconds: int = Field(default=0, alias="durationSeconds")
    resource_changes: dict[str, int] = Field(default={}, alias="resourceChanges")


class EngineEvent(_Model):
    """One event: at most one of its parts is set, none for a kind that is not used here.

    Attributes:
        timestamp: Seconds since 1970.
        began: An operation on a resource began.
        ended: An operation on a resource succeeded.
        failed: An operation on a resource failed.
        diagnostic: A message.
        violation: A violation of a policy.
        summary: The end of the whole operation.
    """

    timestamp: int = 0
    began: _OperationEvent | None = Field(default=None, alias="resourcePreEvent")
    ended: _OperationEvent | None = Field(default=None, alias="resOutputsEvent")
    failed: _OperationEvent | None = Field(default=None, alias="resOpFailedEvent")
    diagnostic: Diagnostic | None = Field(default=None, alias="diagnosticEvent")
    violation: PolicyViolation | None = Field(default=None, alias="policyEvent")
    summary: Summary | None = Field(default=None, alias="summaryEvent")


def parse(line: str) -> EngineEvent | None:
    """Return the event of one line of the log; None for an incomplete line or an unknown form.

    Events are only shown to people, and nothing is decided by them: a new form of event in a
    later engine must not stop a deployment.
    """
    try:
        document: Any = json.loads(line)
        return EngineEvent.model_validate(document)
    except (json.JSONDecodeError, ValidationError):
        return None


def read(path: Path) -> Iterator[EngineEvent]:
    """Yield the events that the log holds so far."""
    if not path.exists():
        return
    with path.open() as log:
        for line in log:
            event = parse(line)
            if event is not None:
                yield event
