"""Permissions that a token needs for each request, by GitHub's documentation of each endpoint.

Each has a set of permissions of which one is enough (docs.github.com/en/rest/authentication/
permissions-required-for-github-apps). A workflow's token has what `permissions:` of its job grants,
and the metadata of its repository always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

METADATA = frozenset({"metadata:read"})
"""Always granted."""

_LEVELS = ("none", "read", "write")


def _any(level: str, *names: str) -> frozenset[str]:
    return frozenset(f"{name}:{level}" for name in names)


_TALK = ("issues", "pull-requests")
_NEEDED: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("GET", r"/pulls(/\d+(/files)?)?", _any("read", "pull-requests")),
    (
        "GET",
        r"/contents/.+|/git/commits/[^/]+|/compare/.+|/activity",
        _any("read", "contents"),
    ),
    ("GET", r"/issues/\d+/comments|/labels", _any("read", *_TALK)),
    (
        "POST",
        r"/issues/\d+/(labels|comments)|/issues/comments/\d+/reactions",
        _any("write", *_TALK),
    ),
    ("DELETE", r"/issues/\d+/labels/[^/]+", _any("write", *_TALK)),
    ("PATCH|DELETE", r"/issues/comments/\d+", _any("write", *_TALK)),
    ("GET", r"/deployments(/\d+(/statuses)?)?", _any("read", "deployments")),
    ("POST", r"/deployments(/\d+/statuses)?", _any("write", "deployments")),
    ("DELETE", r"/deployments/\d+", _any("write", "deployments")),
    ("GET", r"/environments(/[^/]+)?", _any("read", "actions")),
    ("DELETE", r"/environments/[^/]+", _any("write", "administration")),
    ("GET", r"/commits/[^/]+/statuses", _any("read", "statuses")),
    ("POST", r"/statuses/[^/]+", _any("write", "statuses")),
    ("GET", r"/actions/.+", _any("read", "actions")),
    ("POST", r"/actions/workflows/[^/]+/dispatches", _any("write", "actions")),
    ("GET", r"|/collaborators/[^/]+/permission|/repos/[^/]+/[^/]+|/repositories/\d+", METADATA),
)


def needed(method: str, path: str) -> frozenset[str]:
    """Return the permissions of which a request needs one, each as ``name:level``.

    Args:
        method: Method of the request.
        path: Its path below that of the repository.
    """
    for methods, paths, permissions in _NEEDED:
        if re.fullmatch(methods, method) and re.fullmatch(paths, path):
            return permissions
    raise AssertionError(f"no permission is known for {method} {path}")


def allows(granted: Mapping[str, str], permissions: frozenset[str]) -> bool:
    """Return True if a token that is granted these permissions has one of those that are needed."""
    return permissions == METADATA or any(
        _LEVELS.index(granted.get(name, "none")) >= _LEVELS.index(level)
        for name, level in (one.split(":") for one in permissions)
    )
