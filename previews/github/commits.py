"""Commits, their times, and their differences."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AliasPath, AwareDatetime, Field, RootModel

from previews.github.connection import Connection, Model, read

MOST_FILES = 300
"""Files that GitHub names in a comparison at most; there may be more."""


class ChangedFile(Model):
    """A file that differs between two commits.

    Attributes:
        filename: Its path.
        previous_filename: Its path before it was renamed.
    """

    filename: str
    previous_filename: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its path, and the former one."""
        former = self.previous_filename
        return (self.filename,) if former is None else (self.filename, former)


class Comparison(Model):
    """A comparison of two commits.

    Attributes:
        status: ``ahead`` if the second contains the first, ``diverged`` after a force push.
        files: Files that differ since their common ancestor.
    """

    status: Literal["ahead", "behind", "diverged", "identical"]
    files: tuple[ChangedFile, ...] = ()

    def changed(self) -> tuple[str, ...] | None:
        """Return every path that differs between the two; None if not all are known.

        The files of a comparison are those since the common ancestor: only of a commit that
        contains the other are they the whole difference.
        """
        if self.status not in {"ahead", "identical"} or len(self.files) >= MOST_FILES:
            return None
        return tuple(name for one in self.files for name in one.names)


class GitCommit(Model):
    """A commit.

    Attributes:
        committed: Its committer's date.
    """

    committed: AwareDatetime = Field(validation_alias=AliasPath("committer", "date"))


class _Push(Model):
    after: str
    actor: str | None = Field(default=None, validation_alias=AliasPath("actor", "login"))


class _Pushes(RootModel[tuple[_Push, ...]]):
    """The newest changes of a branch."""


class Commits:
    """Commits of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos
        self._git = connection.kit.rest.git

    def time(self, sha: str) -> datetime:
        """Return the time of a commit, by its committer's clock."""
        what = f"commit {sha[:12]}"
        response = self._connection.request(what, self._git.get_commit, commit_sha=sha)
        return read(GitCommit, what, response).committed

    def compare(self, base: str, head: str) -> Comparison:
        """Compare two commits.

        Raises:
            NotFoundError: The repository does not have one of them any more.
        """
        what = f"comparison of {base[:12]} with {head[:12]}"
        # The files come with the first page of commits, all of them.
        response = self._connection.request(
            what, self._api.compare_commits, basehead=f"{base}...{head}", per_page=1
        )
        return read(Comparison, what, response)

    def pushers(self, branch: str, sha: str) -> frozenset[str]:
        """Return the logins of those who pushed a commit to a branch, among its 100 last pushes.

        Unlike a commit's author and committer, which anyone can write into it, this is GitHub's
        own record.
        """
        what = f"pushes to {branch}"
        response = self._connection.request(
            what, self._api.list_activities, ref=f"refs/heads/{branch}", per_page=100
        )
        pushes = read(_Pushes, what, response).root
        return frozenset(push.actor for push in pushes if push.after == sha and push.actor)
