"""Commits, compared by their files."""

from __future__ import annotations

from typing import Literal

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


class Comparison(Model):
    """A comparison of two commits.

    Attributes:
        status: ``ahead`` if the second contains the first, ``diverged`` after a force push.
        files: Files that differ since their common ancestor.
    """

    status: Literal["ahead", "behind", "diverged", "identical"]
    files: tuple[ChangedFile, ...] = ()

    def changed(self) -> tuple[str, ...] | None:
        """Return every path that differs between the two; None if that can't be told.

        The files of a comparison are those since the common ancestor: only of a commit that
        contains the other are they the whole difference.
        """
        if self.status not in {"ahead", "identical"} or len(self.files) >= MOST_FILES:
            return None
        names = [(one.filename, one.previous_filename) for one in self.files]
        return tuple(name for both in names for name in both if name is not None)


class Commits:
    """Commits of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos

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
