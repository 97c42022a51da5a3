"""Reading what every Kubernetes object has."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
"""A Kubernetes object, as its JSON says."""


def name_of(item: Object) -> str:
    """``metadata.name``."""
    return str(item["metadata"]["name"])


def namespace_of(item: Object) -> str:
    """``metadata.namespace``; empty for what belongs to the cluster."""
    return str(item["metadata"].get("namespace", ""))


def uid_of(item: Object) -> str:
    """``metadata.uid``."""
    return str(item["metadata"]["uid"])


def key_of(item: Object) -> str:
    """``namespace/name``, as informers and people name an object."""
    namespace = namespace_of(item)
    return f"{namespace}/{name_of(item)}" if namespace else name_of(item)


def is_deleting(item: Object) -> bool:
    """Whether the object waits for its finalizers, or a Pod for its node, to let go."""
    return bool(item["metadata"].get("deletionTimestamp"))
