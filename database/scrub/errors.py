"""Why a database is not handed over."""

from __future__ import annotations


class ScrubError(Exception):
    """Data of real people may be left; the message says where, and what to do."""


class RulesError(ScrubError):
    """``database/scrub.yaml`` can't be read; the message names each line that is wrong."""
