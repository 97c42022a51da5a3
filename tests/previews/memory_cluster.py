"""A cluster in memory: objects as an API server gives them, and what follows a patch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import kr8s

from previews.errors import PreviewsError
from previews.kubernetes import Cluster

Document = dict[str, Any]


@dataclass
class Live:
    """One object, by the attributes of kr8s that are used."""

    kind: str
    raw: Document
    cluster: MemoryCluster

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.raw["metadata"].get("namespace", ""))

    @property
    def metadata(self) -> Document:
        return dict(self.raw["metadata"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.raw["metadata"].get("labels", {}))

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.raw["metadata"].get("annotations", {}))

    def patch(self, change: Document) -> None:
        self.cluster.require(self)
        _merge(self.raw, change)
        self.cluster.patched.append((self.kind, self.name, change))
        self.cluster.react(self)

    def delete(self, propagation_policy: str = "") -> None:
        assert propagation_policy == "Background"
        self.cluster.require(self)
        if self not in self.cluster.objects:
            raise kr8s.NotFoundError(self.name)
        self.cluster.deleted.append((self.kind, self.name))
        if self.name not in self.cluster.lingers:
            self.cluster.objects.remove(self)

    def wait(self, condition: str, timeout: float) -> None:
        assert (condition, timeout > 0) == ("delete", True)
        if self in self.cluster.objects:
            raise TimeoutError


@dataclass
class MemoryCluster(Cluster):
    """A `Cluster` whose API server is this memory.

    Attributes:
        react: What the controllers do when something is made or patched.
        answers: Whether anything can be asked.
        refuses: Names of what may be neither changed nor deleted.
        lingers: Names of what is agreed to be deleted, and then stays.
    """

    name = "sandbox"

    objects: list[Live] = field(default_factory=list)
    patched: list[tuple[str, str, Document]] = field(default_factory=list)
    react: Callable[[Live], None] = lambda _: None
    answers: bool = True
    refuses: tuple[str, ...] = ()
    lingers: tuple[str, ...] = ()
    deleted: list[tuple[str, str]] = field(default_factory=list)

    def require(self, live: Live) -> None:
        """Answer a change as an API server does that forbids it, or is gone."""
        if not self.answers:
            raise kr8s.APITimeoutError("no answer")
        if live.name in self.refuses:
            raise kr8s.ServerError(f"{live.name} is forbidden")

    def add(self, kind: str, name: str, namespace: str, **rest: Any) -> Live:
        metadata = {
            "name": name,
            "namespace": namespace,
            "generation": 1,
            "creationTimestamp": "2030-01-31T12:00:00Z",
            **rest.pop("metadata", {}),
        }
        live = Live(kind, {"metadata": metadata, **rest}, self)
        self.objects.append(live)
        return live

    def each(self, kind: str, *, namespace: str = "all") -> Iterator[Any]:
        if not self.answers:
            raise PreviewsError("kubernetes-failed", kind, why="no answer", remedy="look.")
        found = [o for o in self.objects if o.kind == kind]
        yield from [o for o in found if namespace in ("all", o.namespace)]

    def find(self, kind: str, name: str, *, namespace: str | None = None) -> Any:
        found = (o for o in self.each(kind, namespace=namespace or "all") if o.name == name)
        return next(found, None)

    def create(self, document: Document) -> None:
        metadata = document["metadata"]
        live = self.add(
            "jobs.v1.batch",
            metadata["name"],
            metadata["namespace"],
            metadata=copy.deepcopy(metadata),
            spec=copy.deepcopy(document["spec"]),
        )
        self.react(live)


def _merge(document: Document, change: Document) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(document.setdefault(key, {}), value)
        else:
            document[key] = value
