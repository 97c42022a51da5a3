"""Facts of a pull request that its preview depends on: from GitHub, or from the working tree."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from previews.settings import Settings

_DESCRIBE = ("git", "--no-optional-locks", "describe", "--always", "--dirty", "--exclude=*")


class PullRequestFacts(Protocol):
    """As much of a pull request as its preview depends on."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def head_sha(self) -> str:
        """Its newest commit."""

    @property
    def labels(self) -> Collection[str]:
        """Names of its labels."""

    @property
    def is_open(self) -> bool:
        """Whether it is neither closed nor merged."""


class PullRequests(Protocol):
    """A source of pull requests."""

    def read(self, number: int) -> PullRequestFacts:
        """One pull request as it is now."""


@dataclass(frozen=True)
class LocalPullRequest:
    """The working tree as a pull request.

    Attributes:
        number: The number that a person gave it.
        head_sha: The commit, marked where the working tree differs from it.
        labels: The labels that a person gave it.
        is_open: Always true: a person asks for its preview.
    """

    number: int
    head_sha: str
    labels: frozenset[str]
    is_open: bool = True


class LocalPullRequests:
    """The working tree, under any number."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self, number: int) -> LocalPullRequest:
        """The working tree as it is now."""
        return LocalPullRequest(number, _describe(self._settings.project), self._settings.labels)


def _describe(folder: Path) -> str:
    """The commit as people are shown it; the program names the exact one, and needs git for it."""
    try:
        answer = subprocess.run(
            [*_DESCRIBE, "--abbrev=12"], cwd=folder, check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        return "the working tree"
    return answer.stdout.strip() or "the working tree"
