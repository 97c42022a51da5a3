"""Comments on pull requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pydantic import AliasPath, Field

from previews.github.connection import Connection, Model, read

Reaction = Literal["+1", "-1", "confused", "eyes", "rocket"]


class Comment(Model):
    """A comment on a pull request.

    Attributes:
        id: Its id.
        body: Its Markdown.
        author: Login of its author.
        html_url: Its page.
        updated_at: Time of its last change.
    """

    id: int
    body: str = ""
    author: str = Field(default="ghost", validation_alias=AliasPath("user", "login"))
    html_url: str = ""
    updated_at: datetime


class Comments:
    """Comments on the pull requests of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.issues
        self._reactions = connection.kit.rest.reactions

    def of(self, number: int) -> Iterator[Comment]:
        """Yield every comment of a pull request, oldest first."""
        what = f"comments of pull request {number}"
        for response in self._connection.each(what, self._api.list_comments, issue_number=number):
            yield read(Comment, what, response)

    def create(self, number: int, body: str) -> Comment:
        """Create a comment."""
        what = f"comment on pull request {number}"
        call = self._api.create_comment
        return read(
            Comment, what, self._connection.request(what, call, issue_number=number, body=body)
        )

    def update(self, comment: int, body: str) -> Comment:
        """Replace the text of a comment."""
        what = f"comment {comment}"
        call = self._api.update_comment
        return read(
            Comment, what, self._connection.request(what, call, comment_id=comment, body=body)
        )

    def react(self, comment: int, content: Reaction) -> None:
        """Add a reaction to a comment."""
        self._connection.request(
            f"reaction to comment {comment}",
            self._reactions.create_for_issue_comment,
            comment_id=comment,
            content=content,
        )
