"""Pull requests and their labels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import AliasPath, Field, field_validator

from previews.github.commits import ChangedFile
from previews.github.connection import Connection, Model, read


class PullRequest(Model):
    """The present state of a pull request.

    Attributes:
        number: Its number.
        title: Its title.
        state: ``open`` or ``closed``; a merged one is closed.
        merged_at: Time of its merge.
        draft: True for a draft.
        head_sha: Its newest commit.
        head_ref: Its branch.
        head_repository: Repository of that branch; None if the fork was deleted.
        base_ref: Its base branch.
        base_repository: Its repository.
        author: Login of its author.
        author_type: ``User`` or ``Bot``.
        labels: Names of its labels in lower case: GitHub's have none.
        mergeable: True if it can be merged; None until GitHub has computed it.
        updated_at: Time of its last change.
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
        names = [label["name"] if isinstance(label, dict) else label for label in labels]
        return [str(name).casefold() for name in names]

    @property
    def is_open(self) -> bool:
        """True if it is neither closed nor merged."""
        return self.state == "open"

    @property
    def merged(self) -> bool:
        """True if it was merged."""
        return self.merged_at is not None

    @property
    def is_fork(self) -> bool:
        """True if its branch is in another repository, whose runs get no secrets."""
        return self.head_repository != self.base_repository


class Pulls:
    """Pull requests of one repository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._api = connection.kit.rest.pulls
        self._issues = connection.kit.rest.issues

    def read(self, number: int) -> PullRequest:
        """Return a pull request; it is never cached.

        Raises:
            NotFoundError: It does not exist, or the token may not read it.
            PreviewsError: GitHub gives no usable response.
        """
        what = f"pull request {number}"
        response = self._connection.request(what, self._api.get, pull_number=number)
        return read(PullRequest, what, response)

    def all_open(self) -> Iterator[PullRequest]:
        """Yield every open pull request; a request returns 100.

        Raises:
            PreviewsError: GitHub gives no usable response, on any page.
        """
        what = "list of open pull requests"
        for response in self._connection.each(what, self._api.list, state="open"):
            yield read(PullRequest, what, response)

    def files(self, number: int) -> Iterator[ChangedFile]:
        """Yield the files that a pull request changes; GitHub names 3,000 at most."""
        what = f"files of pull request {number}"
        for response in self._connection.each(what, self._api.list_files, pull_number=number):
            yield read(ChangedFile, what, response)

    def add_label(self, number: int, label: str) -> None:
        """Add a label to a pull request; an existing one is fine."""
        what = f"label {label!r} of pull request {number}"
        call = self._issues.add_labels
        self._connection.request(what, call, issue_number=number, labels=[label])

    def remove_label(self, number: int, label: str) -> None:
        """Remove a label from a pull request.

        Raises:
            NotFoundError: The pull request does not have the label.
        """
        what = f"label {label!r} of pull request {number}"
        call = self._issues.remove_label
        self._connection.request(what, call, issue_number=number, name=quote(label, safe=""))
