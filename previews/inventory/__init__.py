"""Every place in which something of a preview can be: found by tag and by name, and removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from previews.errors import PreviewsError
from previews.inventory.item import Item, Place

__all__ = ["Item", "Place", "look", "of_stack", "remove"]


def look(places: Sequence[Place]) -> list[Item]:
    """Everything that belongs to any preview, sorted.

    The number of requests follows from how many things there are, page by page, and not from
    how many previews there are.

    Raises:
        PreviewsError: One of the places gave no answer. Then nothing is known of it, and
            nothing may be concluded.
    """
    found: list[Item] = []
    for place in places:
        with _answers(place.name):
            found += place.find()
    return sorted(found)


def of_stack(items: Iterable[Item], stack: str) -> list[Item]:
    """Those that belong to one stack."""
    return [item for item in items if item.stack == stack]


def remove(places: Sequence[Place], item: Item) -> None:
    """Delete one thing; one that is gone meanwhile is fine.

    Raises:
        PreviewsError: The place refuses, or gave no answer.
    """
    place = next((place for place in places if place.name == item.place), None)
    if place is not None:
        with _answers(f"{item.kind} {item.id}"):
            place.remove(item)
        return
    raise PreviewsError(
        "place-unknown",
        f"{item.kind} {item.id}",
        why=f"nothing here knows how to delete in {item.place}",
        remedy="delete it by hand.",
    )


@contextmanager
def _answers(what: str) -> Iterator[None]:
    """Say what AWS did not answer."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise PreviewsError(
            "aws-failed",
            what,
            why=f"AWS gives no usable answer: {error}",
            remedy="check the credentials, the region and the role's permissions, and run it"
            " again; without an answer nothing is concluded and nothing is deleted.",
        ) from error
