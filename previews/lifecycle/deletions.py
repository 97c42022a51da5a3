"""Deletions of a removal that failed, kept with the stack for the report of the next one.

They are in tags of the stack, which every backend stores beside the state, and which go with the
stack. Pulumi takes 256 characters a tag, so the packed list has as many tags as it needs.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from previews.errors import PreviewsError, StoppedError
from previews.output import progress

if TYPE_CHECKING:
    from previews.pulumi.stacks import Stacks
    from previews.pulumi.state import Resource

_TAG = "previews:deleted-"
_LONGEST_TAG = 256
_DESTROY = "destroy"


def lines_of(resources: Sequence[Resource]) -> list[str]:
    """Return a line for each resource that Pulumi deletes in a cloud or a cluster."""
    return [
        f"{resource.type} {resource.id}"
        for resource in resources
        if resource.custom and not resource.external and not resource.type.startswith("pulumi:")
    ]


def read_deletions(stacks: Stacks, stack: str) -> list[str]:
    """Return what earlier removals deleted; none if the stack was deployed after them."""
    tags = stacks.tags(stack)
    parts = [tags[name] for number in range(len(tags)) if (name := f"{_TAG}{number}") in tags]
    if not parts:
        return []
    newest = next(iter(stacks.history(stack)), {})
    return _unpacked("".join(parts)) if newest.get("kind") == _DESTROY else []


@contextmanager
def deletions_kept(stacks: Stacks, stack: str, before: Sequence[str]) -> Iterator[None]:
    """Keep what was deleted until the block failed.

    Args:
        stacks: The project's stacks.
        stack: The stack.
        before: Everything that there was, now or before an earlier removal.
    """
    try:
        yield
    except StoppedError:
        raise  # There is no time for it.
    except Exception:
        keep_deletions(stacks, stack, before)
        raise


def keep_deletions(stacks: Stacks, stack: str, before: Sequence[str]) -> None:
    """Keep what is gone of what there was before; without an answer of Pulumi nothing is kept."""
    try:
        left = set(lines_of(stacks.state(stack).resources))
        packed = _packed([line for line in before if line not in left])
        for number, start in enumerate(range(0, len(packed), _LONGEST_TAG)):
            stacks.tag(stack, f"{_TAG}{number}", packed[start : start + _LONGEST_TAG])
    except PreviewsError as error:
        progress(f"{stack}: what was deleted so far is not kept: {error}")


def _packed(lines: Sequence[str]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(lines).encode())).decode() if lines else ""


def _unpacked(text: str) -> list[str]:
    try:
        return [str(line) for line in json.loads(zlib.decompress(base64.b64decode(text)))]
    except (binascii.Error, zlib.error, ValueError):
        return []  # A person has changed a tag; nothing but the report depends on it.
