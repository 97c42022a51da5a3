"""Reads the log of events that Pulumi's engine writes while it works (``--event-log``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class About(_Model):
    """Which resource an event is about, and what is done to it.

    Attributes:
        op: ``create``, ``update``, ``same``, ``replace``, ``create-replacement`` ...
        urn: Pulumi's name of the resource.
        type: Its type token.
    """

    op: str
    urn: str
    type: str

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def changes(self) -> bool:
        """Whether anything is done to it."""
        return self.op not in {"same", "read", "refresh", "discard"}


class _Step(_Model):
    metadata: About


class Diagnostic(_Model):
    """Something the engine or a provider says.

    Attributes:
        urn: The resource that it is about; empty for the whole.
        message: What it says.
        severity: ``debug``, ``info``, ``warning`` or ``error``.
    """

    urn: str = ""
    message: str = ""
    severity: str = "info"


class Summary(_Model):
    """What came of it.

    Attributes:
        duration_seconds: How long it took.
        resource_changes: How many resources each operation met.
    """

    duration_seconds: int = Field(default=0, alias="durationSeconds")
    resource_changes: dict[str, int] = Field(default={}, alias="resourceChanges")


class EngineEvent(_Model):
    """One event; exactly one of its parts is there, or none of those that are read.

    Attributes:
        timestamp: Seconds since 1970.
        begins: Work on a resource begins.
        ends: Work on a resource is done.
        fails: Work on a resource failed.
        says: A diagnostic.
        summary: The end.
    """

    timestamp: int = 0
    begins: _Step | None = Field(default=None, alias="resourcePreEvent")
    ends: _Step | None = Field(default=None, alias="resOutputsEvent")
    fails: _Step | None = Field(default=None, alias="resOpFailedEvent")
    says: Diagnostic | None = Field(default=None, alias="diagnosticEvent")
    summary: Summary | None = Field(default=None, alias="summaryEvent")


def parse(line: str) -> EngineEvent | None:
    """One line of the log; None for one that is not whole, or of a form not known.

    What people are shown is made of these, and nothing is decided by them: an engine that
    begins to say more, or less, must not stop a deployment.
    """
    try:
        document: Any = json.loads(line)
        return EngineEvent.model_validate(document)
    except (json.JSONDecodeError, ValidationError):
        return None


def read(path: Path) -> Iterator[EngineEvent]:
    """The events so far."""
    if not path.exists():
        return
    with path.open() as log:
        for line in log:
            event = parse(line)
            if event is not None:
                yield event
