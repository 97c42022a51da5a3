"""Resources of previews, found by tag and by name wherever one can be, and their removal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from previews.errors import PreviewsError
from previews.inventory.item import Item, ResourceFinder

__all__ = ["Item", "ResourceFinder", "look", "of_stack", "remove"]


def look(finders: Sequence[ResourceFinder]) -> list[Item]:
    """Return every resource of any preview, sorted.

    The number of requests grows with the resources, page by page, and not with the previews.

    Raises:
        PreviewsError: One of the finders gets no response, so nothing may be concluded.
    """
    found: list[Item] = []
    for finder in finders:
        with _explained(finder.name):
            found += finder.find()
    return sorted(found)


def of_stack(items: Iterable[Item], stack: str) -> list[Item]:
    """Return the resources of one stack."""
    return [item for item in items if item.stack == stack]


def remove(finders: Sequence[ResourceFinder], item: Item) -> None:
    """Delete one resource; one that is already gone is fine.

    Raises:
        PreviewsError: The deletion is refused, or gets no response.
    """
    finder = next((finder for finder in finders if finder.name == item.place), None)
    if finder is not None:
        with _explained(f"{item.kind} {item.id}"):
            finder.remove(item)
        return
    raise PreviewsError(
        "place-unknown",
        f"{item.kind} {item.id}",
        why=f"resources of {item.place} can't be deleted automatically",
        remedy="delete it by hand.",
    )


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise PreviewsError(
            "aws-failed",
            what,
            why=f"AWS gives no usable response: {error}",
            remedy="check the credentials, the region and the role's permissions, and run it"
            " again; without a response nothing is deleted.",
        ) from error
