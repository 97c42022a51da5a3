"""Namespaces that are being deleted, and the reasons in their status for not ending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.kubernetes import Cluster

# By condition of the namespace controller; the first one that is present applies.
_REMEDIES = {
    "NamespaceDeletionDiscoveryFailure": "restore the API named there, or delete its"
    " registration: kubectl get apiservices",
    "NamespaceDeletionGroupVersionParsingFailure": "correct or delete the API named there:"
    " kubectl get apiservices",
    "NamespaceDeletionContentFailure": "find out why the objects named there can't be deleted",
    "NamespaceFinalizersRemaining": "start the controller that removes the finalizer named there",
    "NamespaceContentRemaining": "find out what keeps the objects named there",
}


def is_terminating(namespace: Mapping[str, Any]) -> bool:
    """Return whether the namespace is being deleted."""
    return bool(namespace["metadata"].get("deletionTimestamp"))


def obstacles(namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return types and messages of the conditions that keep a namespace, by importance."""
    conditions = namespace.get("status", {}).get("conditions") or ()
    found = {one["type"]: one.get("message", "") for one in conditions if one["status"] == "True"}
    return {type_: found[type_] for type_ in _REMEDIES if type_ in found}


def termination_error(namespace: Mapping[str, Any]) -> PreviewsError:
    """Return the error of an operation that needs the namespace deleted, or intact."""
    name = str(namespace["metadata"]["name"])
    found = obstacles(namespace)
    remedy = next((_REMEDIES[type_] for type_ in found), "wait until it is gone")
    reasons = "; ".join(f"{type_}: {message}" for type_, message in found.items())
    since = namespace["metadata"]["deletionTimestamp"]
    return PreviewsError(
        "namespace-ending",
        f"namespace {name}",
        why=f"it has been terminating since {since}" + (f": {reasons}" if reasons else ""),
        remedy=f"{remedy}; then run the same command again; it continues where it stopped.",
    )


def explain(
    error: PreviewsError, namespace_name: str, *, connect: Callable[[], Cluster]
) -> PreviewsError:
    """Return a better error for a failed destroy where the namespace is still terminating."""
    try:
        namespace = connect().find("namespaces", namespace_name)
    except PreviewsError:
        return error  # The cluster does not answer.
    if namespace is None or not is_terminating(namespace.raw):
        return error
    return termination_error(namespace.raw)
