"""The two kinds of Kubernetes objects by which databases are asked for and offered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightkube.generic_resource import create_namespaced_resource

GROUP = "previews.internal"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/database"
"""Keeps an object until what it stands for is gone from the server."""

RESET = f"{GROUP}/reset"
"""Annotation of a claim: another value than before asks for a fresh clone."""

DatabaseBranch = create_namespaced_resource(GROUP, VERSION, "DatabaseBranch", "databasebranches")
DatabaseGeneration = create_namespaced_resource(
    GROUP, VERSION, "DatabaseGeneration", "databasegenerations"
)


@dataclass(frozen=True)
class Object:
    """What every object has.

    Attributes:
        namespace: Where it is.
        name: Its name there.
        uid: Tells it from a former one of the same name.
        version: Its ``resourceVersion``, with which a change is refused if it changed meanwhile.
        revision: Its ``metadata.generation``, which changes with its spec.
        deleting: Whether it is to go.
        finalizers: What keeps it.
        status: What its controller said last.
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
        """Whether its controller said so, of the spec that it has now."""
        return self.condition.get("status") == "True"

    @property
    def condition(self) -> Mapping[str, Any]:
        """The condition Ready; empty before the first."""
        conditions: list[dict[str, Any]] = self.status.get("conditions") or []
        return next((c for c in conditions if c.get("type") == "Ready"), {})


@dataclass(frozen=True)
class Branch(Object):
    """A preview asks for a database.

    Attributes:
        reset: What its annotation says, empty for none.
    """

    reset: str

    @property
    def generation(self) -> str:
        """Name of the generation that it got, which never changes; empty before it got one."""
        return str(self.status.get("generation") or "")

    @property
    def is_served(self) -> bool:
        """Whether it has what it asks for, as far as its status knows."""
        return self.is_ready and self.status.get("reset", "") == self.reset


@dataclass(frozen=True)
class Generation(Object):
    """A server with a template.

    Attributes:
        number: The higher, the newer.
        host: The server's address.
        port: TCP port.
        sslmode: libpq's ``sslmode``.
        secret: The Secret with the master user's login, beside the object.
        snapshot: What the server was restored from.
        snapshot_created: When that was taken, RFC 3339.
    """

    number: int
    host: str
    port: int
    sslmode: str
    secret: str
    snapshot: str
    snapshot_created: str


def read_branch(item: Mapping[str, Any]) -> Branch:
    """A ``DatabaseBranch`` as the API server gives it."""
    annotations = item["metadata"].get("annotations") or {}
    return Branch(**_common(item), reset=str(annotations.get(RESET, "")))


def read_generation(item: Mapping[str, Any]) -> Generation:
    """A ``DatabaseGeneration`` as the API server gives it; its schema has checked the spec."""
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
