"""Pull requests as previews depend on them: GitHub's, or the working tree."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from previews.settings import Settings

_DESCRIBE = ("git", "--no-optional-locks", "describe", "--always", "--dirty", "--exclude=*")


class PullRequestState(Protocol):
    """Properties of a pull request that its preview depends on."""

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
        """True if it is neither closed nor merged."""


class PullRequests(Protocol):
    """A source of pull requests."""

    def read(self, number: int) -> PullRequestState:
        """Return one pull request as it is now."""

    def all_open(self) -> Iterable[PullRequestState]:
        """Return every open pull request."""


@dataclass(frozen=True)
class LocalPullRequest:
    """The working tree as a pull request.

    Attributes:
        number: Its number, which a person chose.
        head_sha: The commit, marked where the working tree differs from it.
        labels: Its labels, which a person chose.
        is_open: Always true, since a person requested its preview.
    """

    number: int
    head_sha: str
    labels: frozenset[str]
    is_open: bool = True


class LocalPullRequests:
    """Pull requests without GitHub: every number is the local working tree."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self, number: int) -> LocalPullRequest:
        """Return the working tree as it is now."""
        return LocalPullRequest(number, _describe(self._settings.app_folder), self._settings.labels)

    def all_open(self) -> Iterable[LocalPullRequest]:
        """Return none: only those exist that a person names."""
        return ()


def _describe(folder: Path) -> str:
    """Return the commit for people; the program reads the exact one, and requires git."""
    try:
        result = subprocess.run(
            [*_DESCRIBE, "--abbrev=12"], cwd=folder, check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        return "the working tree"
    return result.stdout.strip() or "the working tree"
