"""GitHub's answers, as far as the lifecycle reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

REPOSITORY = "acme/orders"
HEAD = "a" * 40
STALE = "b" * 40


def pull_request(
    number: int = 42,
    *,
    state: str = "open",
    merged: bool = False,
    labels: Iterable[str] = ("preview",),
    draft: bool = False,
    head_repository: str | None = REPOSITORY,
    author: str = "ada",
    sha: str = HEAD,
    mergeable: bool | None = True,
    updated_at: str = "2026-11-20T12:00:00Z",
) -> dict[str, Any]:
    """A pull request, as ``GET /repos/{owner}/{repo}/pulls/{number}`` answers."""
    head = None if head_repository is None else {"full_name": head_repository}
    return {
        "number": number,
        "title": "A change",
        "state": state,
        "merged": merged,
        "merged_at": updated_at if merged else None,
        "draft": draft,
        "mergeable": mergeable,
        "updated_at": updated_at,
        "user": {"login": author, "type": "Bot" if author.endswith("[bot]") else "User"},
        "labels": [{"id": place, "name": name} for place, name in enumerate(labels)],
        "head": {"sha": sha, "ref": "change", "repo": head},
        "base": {"ref": "main", "repo": {"full_name": REPOSITORY}},
    }
