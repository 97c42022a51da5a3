"""The program's own resources as rules see them, whole or with something broken."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infra.policies.declared import Declared
from tests.infra.world import Deployment

STACK = "pulumi:pulumi:Stack"


def declared(deployment: Deployment) -> list[Declared]:
    """Every resource of a deployment; the stack itself with its outputs."""
    return [
        Declared(
            r.urn,
            r.type,
            r.name,
            deployment.outputs if r.type == STACK else r.inputs,
            r.deleted_with,
        )
        for r in deployment.registrations
    ]


def one(deployment: Deployment, type_: str, name: str | None = None) -> Declared:
    """The first resource of a type, or of a type and name."""
    return next(r for r in declared(deployment) if r.type == type_ and name in {None, r.name})


def made(stack: str, type_: str, properties: dict[str, Any] | None = None) -> Declared:
    """A resource that the program does not have."""
    return Declared(f"urn:pulumi:{stack}::previews::{type_}::made", type_, "made", properties or {})


def changed(resource: Declared, path: Sequence[str], value: Any) -> Declared:
    """The resource with another value at a path of keys and indices."""
    properties = copy.deepcopy(dict(resource.properties))
    *way, last = path
    place: Any = properties
    for key in way:
        at = int(key) if key.isdigit() else key
        place = place.setdefault(at, {}) if isinstance(at, str) else place[at]
    place[int(last) if last.isdigit() else last] = value
    return replace(resource, properties=properties)
