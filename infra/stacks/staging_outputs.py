"""What a preview may know of staging: one typed facade over its StackReference."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

import pulumi

from infra.errors import ProgramError
from infra.platform_outputs import PlatformFacts

OUTPUT = "platform"
"""Name of staging's output that holds `PlatformFacts`."""

_KINDS: dict[object, type | tuple[type, ...]] = {
    "pulumi.Input[str]": str,
    # Numbers of another stack arrive as floats.
    "pulumi.Input[int]": (int, float),
    "pulumi.Input[list[str]]": list,
    "pulumi.Input[dict[str, str]]": dict,
}


def read_staging() -> PlatformFacts:
    """The platform that staging made, of the same organization and project.

    The organization is the literal ``organization`` on a self-managed backend, so that the
    same name works there and on Pulumi Cloud.
    """
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/staging"
    published = pulumi.StackReference(name).get_output(OUTPUT).apply(checked)
    facts: dict[str, Any] = {
        field.name: _pick(published, field.name) for field in fields(PlatformFacts)
    }
    return PlatformFacts(**facts)


def checked(published: object) -> dict[str, object]:
    """What staging published, if it has every field of `PlatformFacts` in its type.

    More fields are fine: staging may be newer than the pull request.

    Raises:
        ProgramError: Something is missing; staging has to be brought up first.
    """
    facts = cast("dict[str, object]", published) if isinstance(published, dict) else {}
    broken = [
        field.name
        for field in fields(PlatformFacts)
        if not isinstance(facts.get(field.name), _KINDS[field.type])
    ]
    if not broken:
        return facts
    why = "staging has none: it was never brought up"
    if facts:
        why = f"it lacks {', '.join(broken)}: staging is of an older version of this program"
    remedy = "bring staging up from the main branch first: `pulumi up -s staging`"
    raise ProgramError(f"output {OUTPUT!r} of stack staging", why=why, remedy=remedy)


def _pick(published: pulumi.Output[dict[str, object]], name: str) -> pulumi.Output[object]:
    return published.apply(lambda facts: _whole(facts[name]))


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) else value
