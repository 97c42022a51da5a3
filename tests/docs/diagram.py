"""The architecture as a picture, drawn from what the program declares.

A box is a component with the resources in it; an arrow leads from what comes first to what
waits for it. Nothing is placed by hand: a component that is added to the program is in the
picture the next time that it is drawn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.infra.world import Deployment, Registration

_OURS = "previews:"
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STYLE = "  classDef default fill:#fff,stroke:#5b6b7b,color:#1f2933;"
_SHOWN_KINDS = 8


@dataclass
class Box:
    """A component of ours.

    Attributes:
        urn: Its URN.
        title: Its name, for people.
        resources: How many of each kind it holds.
        waits_for: URNs of the components before it.
    """

    urn: str
    title: str
    resources: Counter[str] = field(default_factory=Counter)
    waits_for: set[str] = field(default_factory=set)


def boxes(deployment: Deployment) -> list[Box]:
    """The innermost components that hold resources, by name: Pulumi registers in any order."""
    by_urn = {r.urn: r for r in deployment.registrations}
    found: dict[str, Box] = {}
    home: dict[str, str] = {}
    for resource in deployment.registrations:
        owner = None if _is_ours(resource) else _owner(resource, by_urn)
        if owner is None:
            continue
        box = found.setdefault(owner.urn, Box(owner.urn, _title(owner)))
        box.resources[_kind(resource.type)] += 1
        home[resource.urn] = owner.urn
    for resource in deployment.registrations:
        if resource.urn in home:
            box = found[home[resource.urn]]
            box.waits_for |= {home[urn] for urn in resource.depends_on if urn in home}
    for box in found.values():
        box.waits_for.discard(box.urn)
    return _reduced(found)


def mermaid(stacks: Mapping[str, Deployment]) -> str:
    """Draw several stacks as one flowchart; the others read the first one's outputs."""
    lines = ["flowchart LR", _STYLE]
    first = next(iter(stacks))
    for stack, deployment in stacks.items():
        drawn = boxes(deployment)
        names = {box.urn: f"{_identifier(stack)}_{_identifier(box.title)}" for box in drawn}
        lines += ["", f'  subgraph {_identifier(stack)}["stack {stack}"]']
        lines += [f'    {names[box.urn]}["{_label(box)}"]' for box in drawn]
        edges = sorted((names[before], names[box.urn]) for box in drawn for before in box.waits_for)
        lines += [f"    {before} --> {after}" for before, after in edges]
        lines += ["  end"]
        if stack != first:
            lines += [f"  {_identifier(first)} -. outputs .-> {_identifier(stack)}"]
    return "\n".join(lines) + "\n"


def _is_ours(resource: Registration) -> bool:
    """Return whether a resource is a component, which only groups others."""
    return resource.type.startswith((_OURS, "pulumi:"))


def _owner(resource: Registration, by_urn: Mapping[str, Registration]) -> Registration | None:
    parent = by_urn.get(resource.parent)
    return parent if parent is not None and parent.type.startswith(_OURS) else None


def _title(component: Registration) -> str:
    """Return a component's kind, with its name if that adds something."""
    kind = component.type.rpartition(":")[2]
    words = _WORD.sub(" ", kind).lower().split()
    named = component.name.replace("-", " ")
    return " ".join(words) if set(named.split()) & set(words) else f"{' '.join(words)}: {named}"


def _kind(token: str) -> str:
    """``aws:ec2/subnet:Subnet`` as people say it."""
    package, _, _ = token.partition(":")
    name = token.rpartition(":")[2]
    return f"EKS {name}" if package == "eks" else name


def _label(box: Box) -> str:
    kinds = sorted(box.resources.items())
    lines = [f"{count} {kind}" if count > 1 else kind for kind, count in kinds[:_SHOWN_KINDS]]
    if len(kinds) > _SHOWN_KINDS:
        rest = sum(count for _, count in kinds[_SHOWN_KINDS:])
        lines.append(f"and {rest} more")
    return "<br>".join([f"<b>{box.title}</b>", *lines])


def _reduced(found: Mapping[str, Box]) -> list[Box]:
    """Without the arrows that follow from others."""

    def behind(urns: Iterable[str]) -> set[str]:
        seen: set[str] = set()
        waiting = list(urns)
        while waiting:
            for urn in found[waiting.pop()].waits_for - seen:
                seen.add(urn)
                waiting.append(urn)
        return seen

    kept = {
        box.urn: {urn for urn in box.waits_for if urn not in behind(box.waits_for - {urn})}
        for box in found.values()
    }
    for urn, waits_for in kept.items():
        found[urn].waits_for = waits_for
    return sorted(found.values(), key=lambda box: box.title)


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text)
