"""What the controller says of an object: one condition, Ready, and the facts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from database.branches.resources import Object


def status(
    item: Object, facts: Mapping[str, Any], *, ready: bool, reason: str, message: str
) -> dict[str, Any] | None:
    """The status to write; None where the object says all of it already.

    Args:
        item: The object.
        facts: What is said besides; what is not among them stays as it is.
        ready: Whether what the object asks for is there.
        reason: One word in CamelCase.
        message: A sentence for people.
    """
    said = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": reason,
        "message": message,
        "observedGeneration": item.revision,
    }
    before = item.condition
    wanted = {**item.status, **facts}
    if all(before.get(key) == value for key, value in said.items()) and wanted == item.status:
        return None
    changed = before.get("status") != said["status"]
    since = now() if changed else before.get("lastTransitionTime", now())
    return {**wanted, "conditions": [{**said, "lastTransitionTime": since}]}


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
