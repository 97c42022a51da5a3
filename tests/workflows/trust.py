"""Finds the jobs in which a pull request's own files are code, and what they could take there.

Read from the files alone: workflows, the local actions that their steps use, and GitHub's defaults
where a file says nothing. What is not known to be the default branch's is the pull request's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TRUSTED_REFS = frozenset(
    {
        # The commit that the file itself is from: under every event but `pull_request` a protected
        # one, which AWS's roles name.
        "${{ job.workflow_sha }}",
        "${{ github.event.repository.default_branch }}",
    }
)
"""References of a checkout that are not a pull request's."""

_OWN_ACTION = re.compile(r"(?:\$|\.)/\.github/actions/([\w-]+)")
_FETCHES = re.compile(
    r"\bgit\b.*\b(?:fetch|clone|pull|checkout|switch|worktree|submodule)\b|\bgh\b.*\b(?:checkout|clone)\b"
)
_BUILDS_FROM_GIT = {"docker/bake-action": "source", "docker/build-push-action": "context"}
"""Actions that fetch the run's commit by themselves unless this input is a local path."""

_WRITES = frozenset({"write", "write-only"})


@dataclass(frozen=True)
class Files:
    """Workflows and local actions, as documents by name."""

    workflows: Mapping[str, Mapping[str, Any]]
    actions: Mapping[str, Mapping[str, Any]]

    def jobs(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Yield each job with its name and its workflow."""
        for name, workflow in self.workflows.items():
            for job, body in workflow["jobs"].items():
                yield f"{name}:{job}", workflow, body

    def steps(self, body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield each step of a job or action, and those of the local actions that it uses."""
        for step in body.get("steps", []):
            yield step
            own = _OWN_ACTION.fullmatch(step.get("uses", ""))
            if own is not None:
                yield from self.steps(self.actions[own[1]]["runs"])


def with_code(files: Files) -> dict[str, set[str]]:
    """Return the jobs that have a pull request's files as code, with what they could take."""
    return {
        name: rights(files, workflow, body)
        for name, workflow, body in files.jobs()
        if has_code(files, workflow, body)
    }


def has_code(files: Files, workflow: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return True if a job has a pull request's files as code."""
    of_pull_request = "pull_request" in workflow["on"]
    return any(
        _fetches(step, of_pull_request=of_pull_request) for step in files.steps(body)
    ) or _calls_another(body)


def _fetches(step: Mapping[str, Any], *, of_pull_request: bool) -> bool:
    if _FETCHES.search(step.get("run", "")):
        return True
    action, given = step.get("uses", "").partition("@")[0], step.get("with", {})
    if action == "actions/checkout":
        # Without a reference: the commit of the run, which only under `pull_request` is its merge.
        return of_pull_request or ("ref" in given and given["ref"] not in TRUSTED_REFS)
    local = _BUILDS_FROM_GIT.get(action)
    return local is not None and (of_pull_request or local not in given)


def _calls_another(body: Mapping[str, Any]) -> bool:
    """Return True if a job calls a workflow that is not among the files that are read."""
    return "uses" in body


def rights(files: Files, workflow: Mapping[str, Any], body: Mapping[str, Any]) -> set[str]:
    """Return what code in a job could take or change.

    Those are the kinds ``id-token``, ``environment``, ``secrets``, ``write`` and ``cache``.
    """
    found = set()
    permissions = body.get("permissions", workflow.get("permissions", "write-all"))
    levels = {"all": "write"} if permissions == "write-all" else permissions
    granted = {} if isinstance(levels, str) else levels
    if granted.get("id-token") == "write" or "all" in granted:
        found.add("id-token")
    if any(level == "write" for name, level in granted.items() if name != "id-token"):
        found.add("write")
    if "environment" in body:
        found.add("environment")
    if _names_a_secret(files, workflow, body):
        found.add("secrets")
    if _writes_the_cache(workflow, body):
        found.add("cache")
    return found


def _names_a_secret(files: Files, workflow: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    texts = [str(body), str(workflow.get("env", {})), *(str(step) for step in files.steps(body))]
    return any(re.search(r"\bsecrets\b", text) for text in texts)


def _writes_the_cache(workflow: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return True if a job may save into the cache that builds of staging read.

    Under `pull_request` GitHub keeps what is saved to the pull request's own reference
    (docs.github.com/en/actions/reference/workflows-and-actions/dependency-caching). Every other
    event, `push` beside it too, runs on the default branch's, which may write unless the file says
    otherwise.
    """
    mode = body.get("cache-mode", workflow.get("cache-mode"))
    if mode is not None:
        return mode in _WRITES
    return set(workflow["on"]) != {"pull_request"}
