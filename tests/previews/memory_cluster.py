"""A cluster in memory: objects as an API server gives them, and what follows a patch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from previews.errors import PreviewsError

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
        _merge(self.raw, change)
        self.cluster.patched.append((self.kind, self.name, change))
        self.cluster.react(self)

    def delete(self, propagation_policy: str = "") -> None:
        assert propagation_policy == "Background"
        self.cluster.objects.remove(self)


@dataclass
class MemoryCluster:
    """As many of `Cluster`'s methods as are called.

    Attributes:
        react: What the controllers do when something is made or patched.
    """

    name = "sandbox"

    objects: list[Live] = field(default_factory=list)
    patched: list[tuple[str, str, Document]] = field(default_factory=list)
    react: Callable[[Live], None] = lambda _: None
    answers: bool = True

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

    def each(self, kind: str, *, namespace: str = "all") -> Iterator[Live]:
        if not self.answers:
            raise PreviewsError("kubernetes-failed", kind, why="no answer", remedy="look.")
        found = [o for o in self.objects if o.kind == kind]
        yield from [o for o in found if namespace in ("all", o.namespace)]

    def find(self, kind: str, name: str, *, namespace: str | None = None) -> Live | None:
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
