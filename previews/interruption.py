"""Requests to stop: the first one interrupts a command, which then has the time to show that.

GitHub's runner sends SIGINT to the first process of a step, SIGTERM 7.5 seconds later, and kills
it after another 2.5. A person presses Ctrl-C, or closes the terminal, which sends SIGHUP.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to stop."""


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Turn the first request into `KeyboardInterrupt`, and drop those that follow."""

    def interrupt(_request: signal.Signals) -> None:
        ignore_requests()
        raise KeyboardInterrupt

    with handled(interrupt):
        yield


@contextmanager
def handled(handle: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Handle requests by a function; only the main thread receives any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [
        signal.signal(number, lambda received, _frame: handle(signal.Signals(received)))
        for number in REQUESTS
    ]
    try:
        yield
    finally:
        for number, handler in zip(REQUESTS, before, strict=True):
            signal.signal(number, handler)


def ignore_requests() -> None:
    """Drop all further requests: one has been followed, and people are being shown that."""
    if threading.current_thread() is threading.main_thread():
        for number in REQUESTS:
            # Not SIG_IGN, which processes that are started from here would inherit.
            signal.signal(number, lambda _received, _frame: None)
