"""Waiting for a condition, up to a limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.e2e.world import World


def eventually(condition: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Wait until a condition holds; the test fails where it does not in time."""
    Retrying(
        retry=retry_if_result(lambda held: not held),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.01),
        retry_error_callback=lambda _: pytest.fail(f"never: {what}"),
    )(condition)


def reached(world: World, stack: str, resource: str) -> Callable[[], bool]:
    """Return True if the stack's state contains a resource, started or finished."""
    file = world.state_file(stack)
    return lambda: file.exists() and resource in file.read_text()
