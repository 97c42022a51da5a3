"""The error of a preparation, after which nobody may connect."""

from __future__ import annotations


class PrepareError(Exception):
    """A preparation that would leave the database unsafe; the message contains the remedy."""
