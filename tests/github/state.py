"""What the local GitHub knows: one repository, kept in memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.github.settings import Settings

REPOSITORY = "acme/orders"
TOKEN = "token-of-a-workflow"
"""A workflow's own: it may do what `permissions` grants, which is no deleting of environments."""


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class PullRequest:
    """A pull request, as tests set it up and change it."""

    number: int
    head_sha: str
    head_ref: str = "feature"
    title: str = "Add a feature"
    state: str = "open"
    merged: bool = False
    draft: bool = False
    mergeable: bool | None = True
    labels: list[str] = field(default_factory=list)
    author: str = "ada"
    author_type: str = "User"
    head_repository: str | None = REPOSITORY
    base_ref: str = "main"
    updated_at: datetime = field(default_factory=now)


@dataclass
class Comment:
    id: int
    number: int
    author: str
    body: str
    created_at: datetime
    updated_at: datetime
    edits: int = 0
    reactions: list[str] = field(default_factory=list)


@dataclass
class Deployment:
    id: int
    sha: str
    environment: str
    task: str
    description: str
    transient: bool
    created_at: datetime
    statuses: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        """Whether GitHub would refuse to delete it."""
        return bool(self.statuses) and self.statuses[-1]["state"] not in {
            "inactive",
            "error",
            "failure",
        }


@dataclass
class Comparison:
    """Two commits' difference; ``files`` has (path, former path) of each file."""

    status: str
    files: list[tuple[str, str | None]]


@dataclass(frozen=True)
class File:
    """A file of a commit; ``type`` is as the contents API has it: file, dir, symlink, submodule."""

    content: bytes
    type: str = "file"


@dataclass
class Run:
    """A run of a workflow."""

    id: int
    status: str = "in_progress"
    conclusion: str | None = None
    attempt: int = 1
    approvals: list[tuple[str, str, str]] = field(default_factory=list)
    """Environment, login and state of each answer of a reviewer."""


@dataclass(frozen=True)
class Push:
    """A push to a branch, or its creation."""

    branch: str
    after: str
    actor: str


class State:
    """One repository; `lock` is held around every request."""

    def __init__(self, repository: str = REPOSITORY) -> None:
        self.repository = repository
        self.lock = threading.RLock()
        self.pulls: dict[int, PullRequest] = {}
        self.comments: dict[int, Comment] = {}
        self.deployments: dict[int, Deployment] = {}
        self.environments: set[str] = set()
        self.commit_statuses: dict[str, list[dict[str, Any]]] = {}
        self.comparisons: dict[tuple[str, str], Comparison] = {}
        self.files: dict[tuple[str, str], File] = {}
        self.changed: dict[int, list[str]] = {}
        self.commit_times: dict[str, datetime] = {}
        self.runs: dict[int, Run] = {}
        self.pushes: list[Push] = []
        self.default_branch = "main"
        self.former_names: set[str] = set()
        self.others: dict[str, int] = {}
        self.started: list[tuple[str, str, dict[str, str]]] = []
        self.permissions: dict[str, str] = {"ada": "write"}
        self.tokens: dict[str, bool] = {TOKEN: False}
        self.settings = Settings()
        self.granted: dict[str, Mapping[str, str]] = {}
        self._ids = itertools.count(1000)

    def rename(self, name: str) -> None:
        """Rename the repository, or transfer it: GitHub leads its former name to it."""
        with self.lock:
            self.former_names.add(self.repository)
            self.repository = name

    def next_id(self) -> int:
        return next(self._ids)

    def add_token(self, token: str, *, administration: bool) -> None:
        """Accept a token; one with ``administration`` may delete environments."""
        self.tokens[token] = administration

    def add_job_token(self, token: str, permissions: Mapping[str, str]) -> None:
        """Accept the token of a job, which may do what its ``permissions:`` grant and no more."""
        with self.lock:
            self.tokens[token] = False
            self.granted[token] = permissions

    def pull(self, number: int, head_sha: str = "", **more: Any) -> PullRequest:
        """Open a pull request."""
        with self.lock:
            self.pulls[number] = PullRequest(number, head_sha or f"{number:040x}", **more)
            return self.pulls[number]

    def push(self, number: int, head_sha: str) -> None:
        """Push a commit to a pull request."""
        with self.lock:
            self.pulls[number].head_sha = head_sha
            self.pulls[number].updated_at = now()

    def label(self, number: int, name: str) -> None:
        """Put a label on a pull request."""
        with self.lock:
            if name not in self.pulls[number].labels:
                self.pulls[number].labels.append(name)

    def unlabel(self, number: int, name: str) -> None:
        """Take a label off a pull request."""
        with self.lock:
            self.pulls[number].labels.remove(name)

    def close(self, number: int, *, merged: bool = False) -> None:
        """Close a pull request, or merge it."""
        with self.lock:
            self.pulls[number].state = "closed"
            self.pulls[number].merged = merged
            self.pulls[number].updated_at = now()

    def reopen(self, number: int) -> None:
        """Open a closed pull request again."""
        with self.lock:
            self.pulls[number].state = "open"

    def comments_of(self, number: int) -> list[Comment]:
        """A pull request's comments, oldest first."""
        with self.lock:
            return [c for c in self.comments.values() if c.number == number]

    def deployments_to(self, environment: str) -> list[Deployment]:
        """Deployments to an environment, newest first."""
        with self.lock:
            found = [d for d in self.deployments.values() if d.environment == environment]
            return sorted(found, key=lambda deployment: -deployment.id)

    def differ(
        self, base: str, head: str, *files: str, status: str = "ahead", **renamed: str
    ) -> None:
        """Let two commits differ by files; ``renamed`` has former paths by new ones."""
        with self.lock:
            changed = [*((file, None) for file in files), *renamed.items()]
            self.comparisons[base, head] = Comparison(status, changed)

    def write(self, sha: str, path: str, text: str | bytes, *, type: str = "file") -> None:  # noqa: A002
        """Let a commit have a file."""
        content = text.encode() if isinstance(text, str) else text
        with self.lock:
            self.files[sha, path] = File(content, type)

    def run(self, run: int, status: str = "in_progress", conclusion: str | None = None) -> Run:
        """A run of a workflow, in some state."""
        with self.lock:
            self.runs[run] = Run(run, status, conclusion)
            return self.runs[run]
