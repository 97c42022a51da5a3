"""The two kinds of Kubernetes objects that request and offer databases, and their status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lightkube.generic_resource import create_namespaced_resource

from contract.kubernetes import (
    API_GROUP,
    API_VERSION,
    BRANCH_KIND,
    BRANCHES,
    GENERATION_KIND,
    GENERATIONS,
    RESET_ANNOTATION,
)

DatabaseBranch = create_namespaced_resource(API_GROUP, API_VERSION, BRANCH_KIND, BRANCHES)
DatabaseGeneration = create_namespaced_resource(
    API_GROUP, API_VERSION, GENERATION_KIND, GENERATIONS
)


@dataclass(frozen=True)
class Object:
    """The part that objects of both kinds share.

    Attributes:
        namespace: Its namespace.
        name: Its name in the namespace.
        uid: Distinguishes it from a deleted object of the same name.
        version: ``resourceVersion``, with which a concurrent change is detected.
        revision: ``metadata.generation``, which changes with its spec.
        deleting: True once its deletion was requested.
        finalizers: Its finalizers.
        status: The status that its controller wrote last.
    """

    namespace: str
    name: str
    uid: str
    version: str
    revision: int
    deleting: bool
    finalizers: tuple[str, ...]
    status: Mapping[str, Any]

    @property
    def is_ready(self) -> bool:
        """True if the condition Ready is."""
        return self.condition.get("status") == "True"

    @property
    def condition(self) -> Mapping[str, Any]:
        """The condition Ready; empty before its first report."""
        conditions: list[dict[str, Any]] = self.status.get("conditions") or []
        return next((c for c in conditions if c.get("type") == "Ready"), {})

    def new_status(
        self, fields: Mapping[str, Any], *, ready: bool, reason: str, message: str
    ) -> dict[str, Any] | None:
        """Return the status to write; None if the object already has it.

        Args:
            fields: Fields besides the conditions; those left out keep their values.
            ready: The value of the condition Ready.
            reason: One word in CamelCase.
            message: A sentence for people.
        """
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": reason,
            "message": message,
            "observedGeneration": self.revision,
        }
        before = self.condition
        wanted = {**self.status, **fields}
        same = all(before.get(key) == value for key, value in condition.items())
        if same and wanted == self.status:
            return None
        changed = before.get("status") != condition["status"]
        since = _now() if changed else before.get("lastTransitionTime", _now())
        return {**wanted, "conditions": [{**condition, "lastTransitionTime": since}]}


@dataclass(frozen=True)
class Branch(Object):
    """The request of a preview for a database.

    Attributes:
        reset: Value of its annotation `RESET`, empty if it has none.
    """

    reset: str

    @property
    def generation(self) -> str:
        """Name of its generation, which never changes; empty before one was assigned."""
        return str(self.status.get("generation") or "")

    @property
    def is_served(self) -> bool:
        """True if its status reports the database that it requests."""
        return self.is_ready and self.status.get("reset", "") == self.reset


@dataclass(frozen=True)
class Generation(Object):
    """A server with a template.

    Attributes:
        number: Order of publication; the highest is the newest.
        host: The server's address.
        port: TCP port.
        sslmode: libpq's ``sslmode``.
        secret: The Secret with the master user's login, in the same namespace.
        snapshot: The snapshot that the server was restored from.
        snapshot_created: Time of the snapshot, RFC 3339.
    """

    number: int
    host: str
    port: int
    sslmode: str
    secret: str
    snapshot: str
    snapshot_created: str


def read_branch(item: Mapping[str, Any]) -> Branch:
    """Convert a ``DatabaseBranch`` of the API server."""
    annotations = item["metadata"].get("annotations") or {}
    return Branch(**_common(item), reset=str(annotations.get(RESET_ANNOTATION, "")))


def read_generation(item: Mapping[str, Any]) -> Generation:
    """Convert a ``DatabaseGeneration`` of the API server, which has validated its spec."""
    spec = item["spec"]
    return Generation(
        **_common(item),
        number=int(spec["number"]),
        host=spec["host"],
        port=int(spec["port"]),
        sslmode=spec["sslMode"],
        secret=spec["masterSecret"],
        snapshot=spec["snapshot"],
        snapshot_created=spec["snapshotCreated"],
    )


def _common(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = item["metadata"]
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "version": metadata["resourceVersion"],
        "revision": int(metadata.get("generation") or 0),
        "deleting": metadata.get("deletionTimestamp") is not None,
        "finalizers": tuple(metadata.get("finalizers") or ()),
        "status": item.get("status") or {},
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
