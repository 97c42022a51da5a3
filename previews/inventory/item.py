"""A resource of a preview, and how it is recognized."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from contract.preview import Preview
from contract.stack_name import PLATFORM_APP, AppName
from contract.tags import REPOSITORY

_DATABASE = re.compile(r":db:(?P<name>[a-z0-9-]+)$")


class Item(BaseModel):
    """A resource of a preview.

    Attributes:
        stack: The preview that it belongs to, by its name among all apps: ``orders-pr-42``.
        place: Name of its finder.
        kind: Its kind: ``instance``, ``security group`` ...
        id: Its id, unique among its kind.
        by: ``tag`` or ``name``, by which it was recognized.
        expires: Its expiry tag; empty without one.
        keep: Why it must not be deleted here; empty if it may be.
        counts: True if the preview exists as long as this resource does.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    place: str
    kind: str
    id: str
    by: Literal["tag", "name"]
    expires: str = ""
    keep: str = ""
    counts: bool = True

    def __lt__(self, other: Item) -> bool:
        return self._order < other._order

    def __str__(self) -> str:
        return f"{self.place} {self.kind} {self.id}"

    @property
    def _order(self) -> tuple[str, str, str, str]:
        return self.stack, self.place, self.kind, self.id


class ResourceFinder(Protocol):
    """A finder of previews' resources in one service."""

    @property
    def name(self) -> str:
        """Name of the service: ``RDS``."""

    def find(self) -> Iterable[Item]:
        """Yield its resources that belong to any preview."""

    def remove(self, item: Item) -> None:
        """Delete one resource; one that is already gone is fine."""


def preview(text: str, app: AppName = PLATFORM_APP) -> str | None:
    """Return the preview's name if the text is that of one of the app's, else None."""
    return owner_by_name(text, app=app)


def owner_by_name(name: str, *suffixes: str, app: AppName = PLATFORM_APP) -> str | None:
    """Return the app's preview that a name contains, alone or with one of the suffixes."""
    found = Preview.of_resource(name, *suffixes)
    return found.name if found is not None and found.app == app else None


def owner_by_database(arn: str, app: AppName = PLATFORM_APP) -> str | None:
    """Return the app's preview whose RDS instance an ARN names."""
    match = _DATABASE.search(arn)
    return None if match is None else preview(match["name"], app)


class OwnRepository(Protocol):
    """The repository whose previews are found."""

    def has_been(self, name: str) -> bool:
        """Return whether a name in a tag is this repository's, or was before it was renamed."""


class AwsFinder:
    """The base of AWS's finders."""

    name: str

    def __init__(self, repository: OwnRepository | None, app: AppName = PLATFORM_APP) -> None:
        """Connect at the first search.

        Args:
            repository: The repository of the previews; None if no other one has any.
            app: App whose previews are found; a repository can hold several.
        """
        self._repository = repository
        self._app = app

    def is_of_another_repository(self, tags: Mapping[str, str]) -> bool:
        """Return whether the tags name another repository."""
        name = tags.get(REPOSITORY, "")
        return self._repository is not None and name != "" and not self._repository.has_been(name)

    def item(
        self,
        kind: str,
        identifier: str,
        tags: Mapping[str, str],
        by_name: str | None,
        *,
        keep: str = "",
        counts: bool = True,
    ) -> Iterator[Item]:
        """Yield the resource if its tags or its name are a preview's.

        Args:
            kind: As in `Item`.
            identifier: Its id.
            tags: Its tags.
            by_name: The preview that its name contains.
            keep: As in `Item`.
            counts: As in `Item`.
        """
        if self.is_of_another_repository(tags):
            return  # Another repository's, whatever its name.
        by_tag = preview(tags.get("stack", ""), self._app)
        owner = by_tag or by_name
        if owner is not None:
            yield Item(
                stack=owner,
                place=self.name,
                kind=kind,
                id=identifier,
                by="tag" if by_tag else "name",
                expires=tags.get("expires", ""),
                keep=keep,
                counts=counts,
            )


def as_mapping(tags: Iterable[Any] | None) -> dict[str, str]:
    """Return AWS's list of tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}
