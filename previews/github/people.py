"""People: what they may do in the repository."""

from __future__ import annotations

from previews.errors import NotFoundError
from previews.github.connection import Connection, Model, read


class Permission(Model):
    """What somebody may do.

    Attributes:
        permission: ``admin``, ``write``, ``read`` or ``none``; ``maintain`` counts as ``write``.
    """

    permission: str


class People:
    """Who may do what in one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos

    def permission(self, login: str) -> str:
        """What somebody may do, asked afresh; ``none`` for somebody whom GitHub does not know.

        Raises:
            PreviewsError: GitHub gives no usable answer.
        """
        what = f"permission of {login}"
        call = self._api.get_collaborator_permission_level
        try:
            answer = self._connection.ask(what, call, username=login)
        except NotFoundError:
            return "none"
        return read(Permission, what, answer).permission
