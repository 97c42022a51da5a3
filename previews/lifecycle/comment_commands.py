"""What somebody asks for in a comment, and whether they may: pure."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AliasPath, BaseModel, ConfigDict, Field


class Order(StrEnum):
    """What can be asked for."""

    UP = "up"
    RESET_DATABASE = "reset-db"
    KEEP = "keep"
    DESTROY = "destroy"


class CommentEvent(BaseModel):
    """What is read of an ``issue_comment`` event.

    Attributes:
        action: ``created``, ``edited`` or ``deleted``.
        number: The pull request's number.
        is_pull_request: Whether it is one, and no issue.
        comment: The comment's id.
        body: What it says.
        author: Who wrote it.
        author_type: ``User`` or ``Bot``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    action: str
    number: int = Field(validation_alias=AliasPath("issue", "number"))
    pull_request: object = Field(default=None, validation_alias=AliasPath("issue", "pull_request"))
    comment: int = Field(validation_alias=AliasPath("comment", "id"))
    body: str = Field(validation_alias=AliasPath("comment", "body"))
    author: str = Field(validation_alias=AliasPath("comment", "user", "login"))
    author_type: str = Field(default="User", validation_alias=AliasPath("comment", "user", "type"))

    @property
    def is_pull_request(self) -> bool:
        """Whether it is a pull request, and no issue."""
        return self.pull_request is not None


MAY_COMMAND = frozenset({"admin", "maintain", "write"})
"""Levels of access at which somebody could push to the branch anyway."""

USAGE = "`/preview`, `/preview reset-db`, `/preview keep` or `/preview destroy`"


def parse(body: str) -> Order | None:
    """What a comment asks for; None where it asks for something that there is not.

    The command is the first line, and all of it: a sentence about `/preview` is none.
    """
    first = body.strip().splitlines()[0].split() if body.strip() else []
    if first == ["/preview"]:
        return Order.UP
    if len(first) == 2 and first[0] == "/preview" and first[1] != Order.UP:  # noqa: PLR2004
        return next((order for order in Order if order == first[1]), None)
    return None


def is_meant(event: CommentEvent) -> bool:
    """Whether a comment is a command at all; bots do not command."""
    words = event.body.split()
    is_new = event.action == "created" and event.author_type != "Bot"
    return is_new and event.is_pull_request and words[:1] == ["/preview"]
