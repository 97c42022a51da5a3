"""How long to wait before trying again what failed (the kubelet's back-off)."""

from __future__ import annotations

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
FORGOTTEN_AFTER_SECONDS = 600.0
"""A run that was longer than this begins a new series."""


class Backoff:
    """None for the first failure, then 10 s, doubled up to five minutes."""

    def __init__(self) -> None:
        self._delay = 0.0

    def after_failure(self, *, lasted: float = 0.0) -> float:
        """Seconds to wait, given how long what failed had worked."""
        if lasted > FORGOTTEN_AFTER_SECONDS:
            self._delay = 0.0
        delay = self._delay
        self._delay = min(delay * 2, LONGEST_SECONDS) if delay else FIRST_SECONDS
        return delay
