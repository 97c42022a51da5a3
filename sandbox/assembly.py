"""Every part of the sandbox, from the rooms that define them."""

from __future__ import annotations

from sandbox.aws import parts as aws
from sandbox.cluster import parts as cluster
from sandbox.node import parts as node
from sandbox.part import Part
from sandbox.providers import parts as providers
from sandbox.settings import Settings


def parts(settings: Settings) -> tuple[Part, ...]:
    """All parts; the supervisor orders them by what they come after."""
    return tuple(part for room in (cluster, aws, node, providers) for part in room.parts(settings))
