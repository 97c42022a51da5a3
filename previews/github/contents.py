"""Files of a commit, read without a checkout.

They are a pull request's, and so an attacker's. GitHub reads a link only where it leads to a file
of the same commit, and then answers with that file.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote

from previews.errors import NotFoundError, PreviewsError
from previews.github.connection import Connection, Model, read

LARGEST = 1024 * 1024
"""Size above which GitHub leaves a file's content out."""


class _Content(Model):
    type: str
    size: int = 0
    encoding: str = ""
    content: str = ""


class Contents:
    """Files of one repository at its commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.repos

    def file(self, path: str, commit: str, *, most: int = LARGEST) -> bytes:
        """Return the content of a file.

        Args:
            path: Its path from the repository's root, without `.` and `..`.
            commit: The commit, in full.
            most: The most bytes that it may have.

        Raises:
            PreviewsError: The commit has no such file, or it is a folder, a link out of the
                repository or a submodule, or it is larger.
        """
        content = self.find(path, commit, most=most)
        if content is None:
            raise PreviewsError(
                "file-missing",
                _named(path, commit),
                why=f"the commit has no such file in {self._connection.repository}",
                remedy="commit it; `previews adopt` writes a missing preview.yaml.",
            )
        return content

    def find(self, path: str, commit: str = "", *, most: int = LARGEST) -> bytes | None:
        """Return the content of a file; None where there is none, or the token may read none.

        Args:
            path: Its path from the repository's root, without `.` and `..`.
            commit: The commit, in full; empty for the newest one of the default branch.
            most: The most bytes that it may have.

        Raises:
            PreviewsError: It is a folder, a link out of the repository or a submodule, or it is
                larger.
        """
        what = _named(path, commit)
        # githubkit puts the path into the URL as it is.
        name = quote(path, safe="/")
        at = {"ref": commit} if commit else {}
        try:
            response = self._connection.request(what, self._api.get_content, path=name, **at)
        except NotFoundError:
            return None
        found = (
            _Content(type="dir") if isinstance(response, list) else read(_Content, what, response)
        )
        if found.type != "file":
            raise PreviewsError(
                "file-kind",
                what,
                why=f"it is no file of the repository, but of type {found.type!r}",
                remedy="commit a regular file in its place: nothing else is followed.",
            )
        if found.size > most:
            raise PreviewsError(
                "file-size",
                what,
                why=f"it has {found.size} bytes, and at most {most} are read",
                remedy="shorten it.",
            )
        return _decoded(what, found)


def _named(path: str, commit: str) -> str:
    return f"{path} at {commit[:12]}" if commit else path


def _decoded(what: str, found: _Content) -> bytes:
    try:
        content = base64.b64decode("".join(found.content.split()), validate=True)
    except binascii.Error:
        content = b""
    if found.encoding != "base64" or len(content) != found.size:
        raise PreviewsError(
            "github-content",
            what,
            why=f"GitHub's response has not its {found.size} bytes in base64",
            remedy="run it again; if it fails again, see https://www.githubstatus.com.",
        )
    return content
