"""The repository itself: its identity, which outlives its name, and its labels."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote

from previews.errors import NotFoundError
from previews.github.connection import Connection, Model, read


class Identity(Model):
    """A repository, by the number that it keeps when it is renamed or transferred.

    Attributes:
        id: The number.
        default_branch: Its default branch.
    """

    id: int
    default_branch: str


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

    def has_label(self, name: str) -> bool:
        """Return whether pull requests can have a label of this name.

        Raises:
            PreviewsError: GitHub gives no usable response.
        """
        call = self._connection.kit.rest.issues.get_label
        what = f"label {name!r} of {self._connection.repository}"
        try:
            read(Label, what, self._connection.request(what, call, name=quote(name, safe="")))
        except NotFoundError:
            return False
        return True

    def _read(self, name: str) -> Identity:
        owner, _, repo = name.partition("/")
        call = self._connection.kit.rest.repos.get
        what = f"repository {name}"
        return read(Identity, what, self._connection.request(what, call, owner=owner, repo=repo))


class Label(Model):
    """A label of the repository.

    Attributes:
        name: Its name.
    """

    name: str
