"""Errors of the scrub, after which connections to the database stay disabled."""

from __future__ import annotations

REMEDY = (
    "Correct scrub.yaml on the default branch, and bring staging up, which publishes it: the next"
    " deployment uses it"
)
"""The remedy of every error in the rules."""


class ScrubError(Exception):
    """Personal data may be left; the message contains the place and the remedy."""


class RulesError(ScrubError):
    """The file with the rules is invalid; the message names each invalid line."""
