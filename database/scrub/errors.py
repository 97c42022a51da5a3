"""Errors of the scrub, after which connections to the database stay disabled."""

from __future__ import annotations


class ScrubError(Exception):
    """Personal data may be left; the message contains the place and the remedy."""


class RulesError(ScrubError):
    """The file with the rules is invalid; the message names each invalid line."""
