"""A resource as a rule sees it, from the engine, a stack's state or a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from contract.stack_name import AppName, StackKind, StackName

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """One resource.

    Attributes:
        urn: URN.
        type: Type token.
        name: Logical name.
        properties: Inputs; for a stack or a component, its outputs.
        deleted_with: URN of the resource that it is deleted with, empty for none. The engine
            doesn't pass it to policies.
    """

    urn: str
    type: str
    name: str
    properties: Properties = field(default_factory=dict[str, Any])
    deleted_with: str = ""

    @property
    def stack(self) -> StackName:
        """Stack that it belongs to."""
        # urn:pulumi:<stack>::<project>::<types>::<name>
        stack, project, *_ = self.urn.split("::")
        return StackName.parse(stack.rpartition(":")[2], AppName.of_project(project))

    @property
    def in_preview(self) -> bool:
        """True if it belongs to a preview."""
        return self.stack.kind is StackKind.PREVIEW

    def get(self, *path: str) -> Any:
        """Return the value at a path of keys; None where there is none."""
        return get(self.properties, *path)

    def each(self, *path: str) -> list[Properties]:
        """Return the objects in the list at a path; empty where there is none."""
        return each(self.properties, *path)

    def below(self, *path: str) -> Properties:
        """Return the object at a path of keys; an empty one where there is none."""
        return below(self.properties, *path)

    @property
    def namespace(self) -> str:
        """Namespace of a Kubernetes object, empty for none."""
        return str(self.get("metadata", "namespace") or "")

    @property
    def object_name(self) -> str:
        """Name of a Kubernetes object."""
        return str(self.get("metadata", "name") or "")


def get(value: object, *path: str) -> Any:
    """Return the value at a path of keys; None where there is none."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Properties", value).get(key)
    return value


def below(value: object, *path: str) -> Properties:
    """Return the object at a path of keys; an empty one where there is none."""
    found = get(value, *path)
    return cast("Properties", found) if isinstance(found, Mapping) else {}


def each(value: object, *path: str) -> list[Properties]:
    """Return the objects in the list at a path; empty where there is none."""
    return [cast("Properties", v) for v in listed(value, *path) if isinstance(v, Mapping)]


def listed(value: object, *path: str) -> list[Any]:
    """Return the list at a path; empty where there is none."""
    found = get(value, *path)
    if isinstance(found, Sequence) and not isinstance(found, str):
        return list(cast("Sequence[Any]", found))
    return []


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every scalar below a value, with its path."""
    if isinstance(value, Mapping):
        for key, inner in cast("Properties", value).items():
            yield from leaves(inner, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(cast("Sequence[object]", value)):
            yield from leaves(inner, (*path, str(index)))
    else:
        yield path, value
