"""Waiting for a condition: no test measures speed by a wait, its limit only ends one in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

HANGS = 300.0
"""Seconds after which something is taken to hang, also on a machine that is busy with others."""


def eventually(condition: Callable[[], T], what: str = "", *, every: float = 0.02) -> T:
    """Wait until a condition holds, and return its value; the test fails where it never does.

    Args:
        condition: Returns something false until it holds.
        what: Condition in words, for the failure, where the code around it does not say it.
        every: Seconds between two looks.
    """
    deadline = time.monotonic() + HANGS
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"never: {what or condition}; the last answer was {value!r}")
        time.sleep(every)
    return value


async def eventually_beside(condition: Callable[[], T], what: str = "") -> T:
    """Do the same while other tasks of the event loop run."""
    deadline = time.monotonic() + HANGS
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"never: {what or condition}; the last answer was {value!r}")
        await asyncio.sleep(0.005)
    return value
