"""Permissions of people in the repository."""

from __future__ import annotations

from previews.errors import NotFoundError
from previews.github.connection import Connection, Model, read


class Permission(Model):
    """The permission of a person.

    Attributes:
        permission: ``admin``, ``write``, ``read`` or ``none``; ``maintain`` counts as ``write``.
    """

    permission: str


class People:
    """Permissions in one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos

    def permission(self, login: str) -> str:
        """Return the permission of a person, never cached; ``none`` for an unknown one.

        Raises:
            PreviewsError: GitHub gives no usable response.
        """
        what = f"permission of {login}"
        call = self._api.get_collaborator_permission_level
        try:
            response = self._connection.request(what, call, username=login)
        except NotFoundError:
            return "none"
        return read(Permission, what, response).permission
