"""The error of granting access, after which nobody may connect."""

from __future__ import annotations


class AccessError(Exception):
    """Roles or privileges that would leave the database unsafe; the message has the remedy."""
