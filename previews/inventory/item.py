"""A resource of a preview, and how it is recognized."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from contract.stack_name import StackKind, StackName

_DATABASE = re.compile(r":db:(?P<name>[a-z0-9-]+)$")


class Item(BaseModel):
    """A resource of a preview.

    Attributes:
        stack: The preview that it belongs to, ``pr-42``.
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


def preview(text: str) -> str | None:
    """Return the stack's name if the text is a preview's, else None."""
    stack = StackName.find(text)
    return stack.value if stack is not None and stack.kind is StackKind.PREVIEW else None


def owner_by_name(name: str, *suffixes: str) -> str | None:
    """Return the preview that a name contains: ``pr-42``, alone or with one of the suffixes."""
    for suffix in ("", *suffixes):
        if name.endswith(suffix):
            owner = preview(name.removesuffix(suffix))
            if owner:
                return owner
    return None


def owner_by_database(arn: str) -> str | None:
    """Return the preview whose RDS instance an ARN names."""
    match = _DATABASE.search(arn)
    return None if match is None else preview(match["name"])


class AwsFinder:
    """The base of AWS's finders."""

    name: str

    def __init__(self, repository: str) -> None:
        """Connect at the first search.

        Args:
            repository: The repository of the previews; empty if no other one has any.
        """
        self._repository = repository

    def is_of_another_repository(self, tags: Mapping[str, str]) -> bool:
        """Return whether the tags name another repository."""
        return bool(self._repository) and tags.get("repository", self._repository) != (
            self._repository
        )

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
        by_tag = preview(tags.get("stack", ""))
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
