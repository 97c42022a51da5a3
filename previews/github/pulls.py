"""Pull requests and their labels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import AliasPath, Field, field_validator

from previews.github.connection import Connection, Model, read


class PullRequest(Model):
    """A pull request as GitHub has it now.

    Attributes:
        number: Its number.
        title: Its title.
        state: ``open`` or ``closed``; a merged one is closed.
        merged_at: When it was merged.
        draft: Whether it is a draft.
        head_sha: Its newest commit.
        head_ref: Its branch.
        head_repository: Where that branch is; None where the fork was deleted.
        base_ref: The branch that it goes into.
        base_repository: The repository that it is a pull request of.
        author: Login of who opened it.
        author_type: ``User`` or ``Bot``.
        labels: Names of its labels.
        mergeable: Whether it can be merged; None while GitHub has not computed it.
        updated_at: When anything of it changed.
    """

    number: int
    title: str = ""
    state: Literal["open", "closed"]
    merged_at: datetime | None = None
    draft: bool = False
    head_sha: str = Field(validation_alias=AliasPath("head", "sha"))
    head_ref: str = Field(default="", validation_alias=AliasPath("head", "ref"))
    head_repository: str | None = Field(
        default=None, validation_alias=AliasPath("head", "repo", "full_name")
    )
    base_ref: str = Field(default="", validation_alias=AliasPath("base", "ref"))
    base_repository: str = Field(validation_alias=AliasPath("base", "repo", "full_name"))
    author: str = Field(default="ghost", validation_alias=AliasPath("user", "login"))
    author_type: str = Field(default="User", validation_alias=AliasPath("user", "type"))
    labels: frozenset[str] = frozenset()
    mergeable: bool | None = None
    updated_at: datetime

    @field_validator("labels", mode="before")
    @classmethod
    def _names(cls, labels: Any) -> Any:
        if not isinstance(labels, list):
            return labels
        return [label["name"] if isinstance(label, dict) else label for label in labels]

    @property
    def is_open(self) -> bool:
        """Whether it is neither closed nor merged."""
        return self.state == "open"

    @property
    def merged(self) -> bool:
        """Whether it was merged."""
        return self.merged_at is not None

    @property
    def is_fork(self) -> bool:
        """Whether its branch is in another repository, whose runs get no secrets."""
        return self.head_repository != self.base_repository


class Pulls:
    """Pull requests of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.pulls
        self._issues = connection.kit.rest.issues

    def read(self, number: int) -> PullRequest:
        """One pull request, read afresh.

        Raises:
            NotFoundError: There is none, or the token may not see it.
            PreviewsError: GitHub gives no usable answer.
        """
        what = f"pull request {number}"
        answer = self._connection.ask(what, self._api.get, pull_number=number)
        return read(PullRequest, what, answer)

    def all_open(self) -> Iterator[PullRequest]:
        """Every open pull request: one request for each hundred.

        Raises:
            PreviewsError: GitHub gives no usable answer, on any page.
        """
        what = "list of open pull requests"
        for answer in self._connection.each(what, self._api.list, state="open"):
            yield read(PullRequest, what, answer)

    def add_label(self, number: int, label: str) -> None:
        """Put a label on a pull request; one that is there stays."""
        what = f"label {label!r} of pull request {number}"
        call = self._issues.add_labels
        self._connection.ask(what, call, issue_number=number, labels=[label])

    def remove_label(self, number: int, label: str) -> None:
        """Take a label off a pull request.

        Raises:
            NotFoundError: It does not carry the label.
        """
        what = f"label {label!r} of pull request {number}"
        call = self._issues.remove_label
        self._connection.ask(what, call, issue_number=number, name=quote(label, safe=""))
