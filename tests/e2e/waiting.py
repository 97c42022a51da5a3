"""Waiting for a condition, up to a limit."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.world import World


def reached(world: World, stack: str, resource: str) -> Callable[[], bool]:
    """Return True if the stack's state contains a resource, started or finished."""
    file = world.state_file(stack)
    return lambda: file.exists() and resource in file.read_text()
