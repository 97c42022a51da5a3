"""A namespace that is being removed, and why it does not end: Kubernetes writes it into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.clients import Clients

# By the conditions of the namespace controller; the first one that is there says what to do.
_REMEDIES = {
    "NamespaceDeletionDiscoveryFailure": "bring back the API that it names, or delete its"
    " registration: kubectl get apiservices",
    "NamespaceDeletionGroupVersionParsingFailure": "correct or delete the API that it names:"
    " kubectl get apiservices",
    "NamespaceDeletionContentFailure": "see why what it names can't be deleted",
    "NamespaceFinalizersRemaining": "start the controller that has to take the finalizer off"
    " which it names",
    "NamespaceContentRemaining": "see what holds what it names",
}


def is_ending(namespace: Mapping[str, Any]) -> bool:
    """Whether a namespace was asked to go."""
    return bool(namespace["metadata"].get("deletionTimestamp"))


def obstacles(namespace: Mapping[str, Any]) -> dict[str, str]:
    """What keeps a namespace from ending: types and messages of its conditions, by importance."""
    conditions = namespace.get("status", {}).get("conditions") or ()
    found = {one["type"]: one.get("message", "") for one in conditions if one["status"] == "True"}
    return {type_: found[type_] for type_ in _REMEDIES if type_ in found}


def still_ending(namespace: Mapping[str, Any]) -> PreviewsError:
    """The failure of whatever needs the namespace gone, or needs it whole."""
    name = str(namespace["metadata"]["name"])
    found = obstacles(namespace)
    remedy = next((_REMEDIES[type_] for type_ in found), "wait until it has gone")
    said = "; ".join(f"{type_}: {message}" for type_, message in found.items())
    since = namespace["metadata"]["deletionTimestamp"]
    return PreviewsError(
        "namespace-ending",
        f"namespace {name}",
        why=f"it is being removed since {since}, and has not ended" + (f": {said}" if said else ""),
        remedy=f"{remedy}; then run the same command again: it goes on where it stopped.",
    )


def explained(clients: Clients, stack: str, error: PreviewsError) -> PreviewsError:
    """Why a destroy failed: what keeps the namespace, where that is what failed."""
    try:
        namespace = clients.cluster.find("namespaces", stack)
    except PreviewsError:
        return error  # Nobody answers; what is known has to do.
    if namespace is None or not is_ending(namespace.raw):
        return error
    return still_ending(namespace.raw)
