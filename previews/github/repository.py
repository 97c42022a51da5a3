"""The repository itself: its identity, which outlives its name, and its labels."""

from __future__ import annotations

from functools import cache

from pydantic import AliasPath, Field

from previews.errors import NotFoundError
from previews.github.connection import Connection, Model, read


class Identity(Model):
    """A repository, and who it is of.

    Attributes:
        id: Its number, which it keeps when it is renamed or transferred.
        full_name: ``owner/name`` as GitHub spells it.
        private: True if only its members see it.
        default_branch: Name of its default branch.
        owner_type: ``User`` or ``Organization``.
    """

    id: int
    full_name: str
    private: bool
    default_branch: str
    owner_type: str = Field(default="User", validation_alias=AliasPath("owner", "type"))


class _Label(Model):
    name: str


class Repository:
    """One repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # GitHub is asked once for each name, however many resources carry it.
        self._identity = cache(self._read)

    def identity(self) -> Identity:
        """Return its identity.

        Raises:
            NotFoundError: It does not exist, or the token may not read it.
            PreviewsError: GitHub gives no usable response.
        """
        return self._identity(self._connection.repository)

    def has_been(self, name: str) -> bool:
        """Return whether a name is or was this repository's, in whatever letter case.

        GitHub leads a former name to the repository that had it, until another one takes the name.

        Args:
            name: ``owner/name``, as it was written down at some time.

        Raises:
            PreviewsError: GitHub gives no usable response.
        """
        if name.casefold() == self._connection.repository.casefold():
            return True
        try:
            return self._identity(name).id == self.identity().id
        except NotFoundError:
            return False

    def labels(self) -> frozenset[str]:
        """Return the names of the labels in lower case: GitHub's have none.

        Raises:
            PreviewsError: GitHub gives no usable response.
        """
        what = f"labels of {self._connection.repository}"
        call = self._connection.kit.rest.issues.list_labels_for_repo
        found = (read(_Label, what, each) for each in self._connection.each(what, call))
        return frozenset(label.name.casefold() for label in found)

    def _read(self, name: str) -> Identity:
        owner, _, repo = name.partition("/")
        call = self._connection.kit.rest.repos.get
        what = f"repository {name}"
        return read(Identity, what, self._connection.request(what, call, owner=owner, repo=repo))
