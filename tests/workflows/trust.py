"""Finds the jobs in which a pull request's own files are code, and what they could take there.

Read from the files alone: workflows, the local actions that their steps use, and GitHub's defaults
where a file says nothing. What is not known to be the default branch's is the pull request's, and
so is what a job with such code has left for others, unless it is known to be read as data.
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

READ_AS_DATA = {
    ("preview:scan", "build"): "Syft reads archives of images, in a job without a right",
    ("preview:deploy", "build"): "archives are compared with what the build put out, and pushed",
    ("preview:deploy-infra", "build"): "the same",
    ("preview:report-diff", "infra-diff"): "a strict model reads one file, of a limited size",
    ("preview:record", "tests"): "a strict model reads one file, of a limited size",
}
"""Jobs that download what one with code has left, with the other's name and how it is read."""

_OWN_REPOSITORIES = (None, "${{ job.workflow_repository }}")
"""Repositories of a checkout that the trusted references are of; None where it names none."""

_OWN_ACTION = re.compile(r"(?:\$|\.)/\.github/actions/([\w-]+)")
_FETCHES = re.compile(
    r"\bgit\b.*\b(?:fetch|clone|pull|checkout|switch|worktree|submodule)\b|\bgit\+\w+:"
    r"|\bgh\b.*\b(?:checkout|clone|api|download)\b|\b(?:curl|wget)\b"
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
    found = {name for name, workflow, body in files.jobs() if _has_code(files, workflow, body)}
    while more := {
        name
        for name, _, body in files.jobs()
        if name not in found and _downloads_code(files, name, body, found)
    }:
        found |= more
    return {
        name: rights(files, workflow, body)
        for name, workflow, body in files.jobs()
        if name in found
    }


def _has_code(files: Files, workflow: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    of_pull_request = "pull_request" in workflow["on"]
    return any(
        _fetches(step, of_pull_request=of_pull_request) for step in files.steps(body)
    ) or _calls_another(body)


def _fetches(step: Mapping[str, Any], *, of_pull_request: bool) -> bool:
    if _FETCHES.search(step.get("run", "").replace("\\\n", " ")):
        return True
    action, given = _action(step), step.get("with", {})
    if action == "actions/checkout":
        return of_pull_request or not _is_trusted(given)
    local = _BUILDS_FROM_GIT.get(action)
    return local is not None and (of_pull_request or local not in given)


def _action(step: Mapping[str, Any]) -> str:
    """Return the action that a step uses; GitHub does not tell capital letters from others."""
    return str(step.get("uses", "")).partition("@")[0].lower()


def _is_trusted(given: Mapping[str, Any]) -> bool:
    """Return True if a checkout has no pull request's files, except under `pull_request`."""
    if not {"repository", "ref"} & given.keys():
        # The commit of the run, which only under `pull_request` is a merge of the pull request.
        return True
    return given.get("repository") in _OWN_REPOSITORIES and given.get("ref") in TRUSTED_REFS


def _downloads_code(files: Files, name: str, body: Mapping[str, Any], with_code: set[str]) -> bool:
    """Return True if a job downloads what one with code may have left, and not as data.

    The job that left it is known where what is downloaded names one of its outputs.
    """
    workflow = name.partition(":")[0]
    for step in files.steps(body):
        if _action(step) != "actions/download-artifact":
            continue
        given = step.get("with", {})
        producers = set(re.findall(r"\bneeds\.([\w-]+)\.outputs\b", str(given)))
        if not producers or "run-id" in given:
            return True
        if any(
            f"{workflow}:{producer}" in with_code and (name, producer) not in READ_AS_DATA
            for producer in producers
        ):
            return True
    return False


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
