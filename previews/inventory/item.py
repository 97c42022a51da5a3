"""One thing of a preview, and how it is known to be one's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from contract.stack_name import StackKind, StackName

_DATABASE = re.compile(r":db:(?P<name>[a-z0-9-]+)$")


class Item(BaseModel):
    """One thing.

    Attributes:
        stack: The preview that it belongs to, ``pr-42``.
        place: Where it is.
        kind: What it is, as the place calls it.
        id: Unique among its kind.
        by: Whether its tag or its name says whose it is.
        expires: What its tag says of its expiry; empty without one.
        keep: Why it is not for this program to delete; empty where it is.
        counts: Whether the preview is there as long as this is.
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
        """By stack, then place, kind and id."""
        return self._order < other._order

    def __str__(self) -> str:
        """The line of a receipt."""
        return f"{self.place} {self.kind} {self.id}"

    @property
    def _order(self) -> tuple[str, str, str, str]:
        return self.stack, self.place, self.kind, self.id


class Place(Protocol):
    """Somewhere that something of a preview can be."""

    @property
    def name(self) -> str:
        """What it is called: ``RDS``."""

    def find(self) -> Iterable[Item]:
        """Everything in it that belongs to any preview."""

    def remove(self, item: Item) -> None:
        """Delete one thing; one that is gone is fine."""


def preview(text: str) -> str | None:
    """The stack's name where the text is that of a preview, and None for all else."""
    stack = StackName.find(text)
    return stack.value if stack is not None and stack.kind is StackKind.PREVIEW else None


def owner_by_name(name: str, *suffixes: str) -> str | None:
    """The preview that a name is made from: ``pr-42`` itself, or with one of the suffixes."""
    for suffix in ("", *suffixes):
        if name.endswith(suffix):
            owner = preview(name.removesuffix(suffix))
            if owner:
                return owner
    return None


def owner_by_database(arn: str) -> str | None:
    """The preview whose RDS instance an ARN names."""
    match = _DATABASE.search(arn)
    return None if match is None else preview(match["name"])


class Finder:
    """What all of AWS's places do alike."""

    name: str

    def __init__(self, repository: str) -> None:
        """Look at nothing yet.

        Args:
            repository: The one whose previews are meant; empty where there is no other.
        """
        self._repository = repository

    def is_of_another_repository(self, tags: Mapping[str, str]) -> bool:
        """Whether a tag names another repository than the one that is meant."""
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
        """The thing, where its tags or its name say that it is a preview's.

        Args:
            kind: What it is.
            identifier: Its id.
            tags: Its tags.
            by_name: The preview that its name is made from.
            keep: Why it is not for this program to delete.
            counts: Whether the preview is there as long as this is.
        """
        if self.is_of_another_repository(tags):
            return  # It is not ours, whatever it is called.
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
    """AWS's list of tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}
