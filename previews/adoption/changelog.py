"""The platform's changelog, as an upgrade of the references shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from previews.adoption.workflow import own_platform, run_git

if TYPE_CHECKING:
    from pathlib import Path

    from previews.adoption.workflow import Platform

FILE = "CHANGELOG.md"


def news(former: set[Platform], platform: Platform, checkout: Path) -> tuple[str, str]:
    """Return the sections that are new since former references, and a remark if they aren't known.

    Args:
        former: Former references.
        platform: The new one.
        checkout: A checkout of the platform, whose history has the changelog at each of them.
    """
    if not former:
        return "", ""
    own = own_platform(checkout)
    repositories = {one.repository for one in (own, *former) if one is not None}
    newer = _read(checkout, platform.reference)
    older = [_read(checkout, one.reference) for one in former]
    if own is None or repositories != {platform.repository} or not newer or not all(older):
        page = f"https://github.com/{platform.repository}/blob/{platform.reference}/{FILE}"
        return "", f"{checkout} doesn't have the changelog at both references: read it at {page}"
    return max((_new_sections(text, newer) for text in older), key=len), ""


def _read(checkout: Path, reference: str) -> str:
    """Return the changelog at a reference; empty if the checkout doesn't have it."""
    revisions = (reference, f"origin/{reference}")
    return next(filter(None, (run_git(checkout, "show", f"{one}:{FILE}") for one in revisions)), "")


def _new_sections(former: str, newer: str) -> str:
    """Return the sections that the former text does not have, or has otherwise."""
    known = set(_sections(former))
    return "\n\n".join(one for one in _sections(newer) if one not in known)


def _sections(text: str) -> list[str]:
    """Return the section of each version, with its heading."""
    return [one.strip() for one in re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]]
