"""Removes what nobody needs any more, and never anything else.

It acts on what the registry says was made here and on nothing that it only found. A preview's
database goes when its namespace is known to be gone: an answer that could not be had is no
answer, and nothing is dropped on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from database.branches import copying
from database.branches.names import BranchNames
from database.branches.registry import Kind

if TYPE_CHECKING:
    from database.branches.registry import Session

UNFINISHED = frozenset({Kind.MAKING, Kind.FORMER})


def clear_unfinished(session: Session) -> list[str]:
    """Drop what a killed run was making, or had put out of the way.

    Whoever holds the session's lock is the only one at work, so that nothing else is.

    Returns:
        The names of what was dropped.
    """
    left = [entry.name for entry in session.entries() if entry.kind in UNFINISHED]
    for name in left:
        copying.drop(session, name)
    return left


def drop_orphans(
    session: Session, claimed: Collection[str], is_gone: Callable[[str], bool]
) -> list[str]:
    """Drop the databases of namespaces that are gone.

    Args:
        session: Of the server.
        claimed: Namespaces that have a claim.
        is_gone: Asks the cluster for one namespace, right before its database is dropped;
            raises when there is no answer.

    Returns:
        The namespaces whose databases were dropped.
    """
    dropped: list[str] = []
    for entry in session.entries():
        names = BranchNames.of(entry.namespace or "")
        if entry.kind is not Kind.BRANCH or names is None or names.namespace in claimed:
            continue
        if is_gone(names.namespace):
            copying.drop(session, entry.name, (names.app, names.migrator))
            dropped.append(names.namespace)
    return dropped
